// What lies in a local checkpoint: entries of a folder, and tensors of safetensors files (format.md, 11, "What is read").

import crypto from "node:crypto";
import fs from "node:fs";
import { sha } from "./envelope.mjs";
import { parse } from "./json.mjs";
import { encode } from "./msgpack.mjs";
import { leafHash } from "./sections.mjs";

const INDEX = Buffer.from("model.safetensors.index.json");
const WIDTH = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, I16: 2, U16: 2, F16: 2, BF16: 2, I32: 4, U32: 4, F32: 4,
  F64: 8, I64: 8, U64: 8, C64: 8,
};
const HEADER_BYTES = 100_000_000n;

/** A checkpoint that cannot be read: MISMATCH (11). */
export class Unreadable extends Error {}

const join = (folder, name) => Buffer.concat([folder, Buffer.from("/"), name]);

/** SHA-256 of a file, read in pieces. */
function hashFile(file) {
  const hash = crypto.createHash("sha256");
  const piece = Buffer.alloc(1 << 20);
  const fd = fs.openSync(file, "r");
  try {
    for (let n = fs.readSync(fd, piece); n > 0; n = fs.readSync(fd, piece)) hash.update(piece.subarray(0, n));
  } finally {
    fs.closeSync(fd);
  }
  return hash.digest();
}

/**
 * Every entry below a folder, no link followed: files, links, empty folders, others.
 * @param {string|Buffer} root
 * @returns {Array<{path: Buffer, kind: string, full: Buffer, size?: bigint, sha256?: Buffer, link?: Buffer}>}
 */
export function walk(root) {
  const out = [];
  const visit = (folder, prefix) => {
    const names = fs.readdirSync(folder, { encoding: "buffer" });
    for (const name of names) {
      const full = join(folder, name);
      const at = prefix === null ? name : join(prefix, name);
      const stat = fs.lstatSync(full);
      if (stat.isDirectory()) visit(full, at);
      else if (stat.isSymbolicLink()) out.push({ path: at, kind: "symlink", full, link: fs.readlinkSync(full, "buffer") });
      else if (stat.isFile()) out.push({ path: at, kind: "file", full, size: BigInt(stat.size), sha256: hashFile(full) });
      else out.push({ path: at, kind: "other", full });
    }
    if (names.length === 0 && prefix !== null) out.push({ path: prefix, kind: "dir", full: folder });
  };
  visit(Buffer.from(root), null);
  return out;
}

/**
 * Links of a snapshot of the Hugging Face cache that lead to a file directly in its `blobs` count as that file (11); `link`
 * stays, for an extra link is an extra link there, too.
 */
function resolved(root, entries) {
  const parts = fs.realpathSync(root).split("/");
  if (!parts.at(-3)?.startsWith("models--") || parts.at(-2) !== "snapshots") return entries;
  const blobs = [...parts.slice(0, -2), "blobs"].join("/");
  return entries.map((entry) => {
    if (entry.kind !== "symlink" || !fs.statSync(entry.full, { throwIfNoEntry: false })?.isFile()) return entry;
    const target = fs.realpathSync(entry.full);
    if (target.slice(0, target.lastIndexOf("/")) !== blobs) return entry;
    return { ...entry, kind: "file", size: BigInt(fs.statSync(target).size), sha256: hashFile(target) };
  });
}

const isCount = (n) => typeof n === "bigint" && n >= 0n && n < 1n << 63n;

/** The header of a safetensors file as a Map, and its body. */
function headerOf(data) {
  const size = data.length < 8 ? -1n : data.readBigUInt64LE(0);
  if (size < 0n || size > HEADER_BYTES || size > BigInt(data.length - 8)) throw new Unreadable("no header");
  const end = 8 + Number(size);
  let header;
  try {
    header = parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data.subarray(8, end)));
  } catch {
    throw new Unreadable("the header is no JSON");
  }
  if (!(header instanceof Map)) throw new Unreadable("the header is no object");
  return { header, body: data.subarray(end) };
}

/** Tensors of one safetensors file, and whether bytes after its header belong to no tensor. */
function safetensors(file) {
  const { header, body } = headerOf(fs.readFileSync(file));
  const more = header.get("__metadata__") ?? new Map();
  if (!(more instanceof Map) || ![...more.values()].every((v) => typeof v === "string")) throw new Unreadable("metadata");
  header.delete("__metadata__");
  const tensors = [...header].map(([name, row]) => {
    const get = (field) => (row instanceof Map ? row.get(field) : undefined);
    const [dtype, shape, range] = [get("dtype"), get("shape"), get("data_offsets")];
    const isSound = row instanceof Map && row.size === 3 && typeof dtype === "string" && Array.isArray(shape) &&
      shape.every(isCount) && Array.isArray(range) && range.length === 2 && range.every(isCount) &&
      range[0] <= range[1] && range[1] <= BigInt(body.length);
    if (!isSound) throw new Unreadable(`tensor ${name}`);
    const width = WIDTH[dtype];
    if (width !== undefined && shape.reduce((a, b) => a * b, BigInt(width)) !== range[1] - range[0]) {
      throw new Unreadable(`size of ${name}`);
    }
    const at = range.map(Number);
    return { name, dtype, shape, range: at, sha256: sha(body.subarray(...at)) };
  });
  if (tensors.length === 0) throw new Unreadable("no tensors");
  let end = 0;
  let hasMore = false;
  for (const { range } of [...tensors].sort((a, b) => a.range[0] - b.range[0] || a.range[1] - b.range[1])) {
    if (range[0] < end) throw new Unreadable("tensors overlap");
    if (range[0] > end) hasMore = true;
    end = range[1];
  }
  return { tensors, hasMore: hasMore || end < body.length };
}

/** Names in the index's weight_map (11); an index that names no files, or leads out of the folder, cannot be read. */
function indexed(index) {
  if (index.kind !== "file") throw new Unreadable("the index is no file");
  let map;
  try {
    map = parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(fs.readFileSync(index.full))).get("weight_map");
  } catch {
    throw new Unreadable("the index is no JSON");
  }
  const names = map instanceof Map ? [...map.values()] : [null];
  if (!names.every((n) => typeof n === "string")) throw new Unreadable("the index names no files");
  for (const name of names) {
    const isInside = !name.includes("\0") && name.split("/").every((part) => !["", ".", ".."].includes(part));
    if (!isInside) throw new Unreadable("the index names something else than a file below the folder");
  }
  return new Set(names);
}

/** Weight files: those that the index names, if there is one, else all `*.safetensors` at the top (11). */
function weightFiles(entries) {
  const index = entries.find((e) => e.path.equals(INDEX));
  if (index === undefined) {
    const top = entries.filter((e) => !e.path.includes(0x2f) && e.kind !== "dir");
    return top.filter((e) => e.path.toString("latin1").endsWith(".safetensors"));
  }
  const names = indexed(index);
  return entries.filter((e) => names.has(e.path.toString("utf8"))); // a shard that is not there is absent
}

/**
 * Read a checkpoint: a folder, or a lone safetensors file.
 * @returns {{entries: Array, tensors: Map<string, {leaf: Buffer, item: Array}>, weights: Array<{path: Buffer, hasMore: boolean}>}}
 *   `tensors` by the hexadecimal bytes of their names; an entry is as in `walk`
 * @throws {Unreadable} MISMATCH; other errors: the path is not there
 */
export function readCheckpoint(given) {
  const stat = fs.statSync(given);
  const isLone = !stat.isDirectory();
  if (isLone && !stat.isFile()) throw new Error("neither a file nor a folder");
  const name = Buffer.from(given.replace(/\/+$/, "").split("/").at(-1));
  const root = given;
  const entries = isLone
    ? [{ path: name, kind: "file", full: Buffer.from(given), size: BigInt(stat.size), sha256: hashFile(given) }]
    : resolved(root, walk(root));
  const tensors = new Map();
  const weights = [];
  for (const entry of isLone ? entries : weightFiles(entries)) {
    if (entry.kind !== "file") throw new Unreadable("a weight file is no regular file");
    const read = safetensors(entry.full);
    weights.push({ path: entry.path, hasMore: read.hasMore });
    for (const t of read.tensors) {
      const size = BigInt(t.range[1] - t.range[0]);
      const item = [t.name, t.dtype, t.shape, size, t.sha256];
      const key = Buffer.from(t.name).toString("hex");
      if (tensors.has(key)) throw new Unreadable(`tensor ${t.name} twice`);
      tensors.set(key, { leaf: leafHash(encode(item)), item });
    }
  }
  if (weights.length === 0) throw new Unreadable("no weights");
  return { entries, tensors, weights, indexPath: INDEX };
}
