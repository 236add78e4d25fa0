// What lies in a local checkpoint: entries of a folder, and tensors of safetensors files (format.md, 11, "What is read").

import crypto from "node:crypto";
import fs from "node:fs";
import { sha } from "./envelope.mjs";
import { encode } from "./msgpack.mjs";
import { leafHash } from "./sections.mjs";

const INDEX = "model.safetensors.index.json";
const WIDTH = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, I16: 2, U16: 2, F16: 2, BF16: 2, I32: 4, U32: 4, F32: 4,
  F64: 8, I64: 8, U64: 8, C64: 8,
};
const HEADER_BYTES = 100_000_000;

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

/** Links of a snapshot of the Hugging Face cache count as the files that they lead to (11). */
function resolved(root, entries) {
  const parts = fs.realpathSync(root).split("/").slice(-3);
  if (parts.length < 3 || !parts[0].startsWith("models--") || parts[1] !== "snapshots") return entries;
  return entries.map((entry) => {
    if (entry.kind !== "symlink") return entry;
    const up = "../".repeat(2 + entry.path.toString("latin1").split("/").length - 1);
    const text = entry.link.toString("latin1");
    if (!text.startsWith(`${up}blobs/`) || text.slice(up.length + 6).includes("/")) return entry;
    const stat = fs.lstatSync(entry.full) && fs.statSync(entry.full, { throwIfNoEntry: false });
    if (!stat?.isFile()) return entry;
    return { path: entry.path, kind: "file", full: entry.full, size: BigInt(stat.size), sha256: hashFile(entry.full) };
  });
}

const isCount = (n) => Number.isSafeInteger(n) && n >= 0;

/** Tensors of one safetensors file, and whether bytes after its header belong to no tensor. */
function safetensors(file) {
  const data = fs.readFileSync(file);
  if (data.length < 8) throw new Unreadable("no safetensors file");
  const size = Number(data.readBigUInt64LE(0));
  if (size > HEADER_BYTES || size > data.length - 8) throw new Unreadable("header");
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data.subarray(8, 8 + size)));
  } catch {
    throw new Unreadable("header");
  }
  if (header === null || typeof header !== "object" || Array.isArray(header)) throw new Unreadable("header");
  const body = data.subarray(8 + size);
  const tensors = [];
  for (const [name, row] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: range } = row ?? {};
    const isSound = typeof dtype === "string" && Array.isArray(shape) && shape.every(isCount) &&
      Array.isArray(range) && range.length === 2 && range.every(isCount) && range[0] <= range[1] && range[1] <= body.length;
    if (!isSound) throw new Unreadable(`tensor ${name}`);
    const bytes = WIDTH[dtype] === undefined ? null : shape.reduce((a, b) => a * b, WIDTH[dtype]);
    if (bytes !== null && bytes !== range[1] - range[0]) throw new Unreadable(`size of ${name}`);
    tensors.push({ name, dtype, shape, range, sha256: sha(body.subarray(...range)) });
  }
  let end = 0;
  let hasMore = false;
  for (const { range } of [...tensors].sort((a, b) => a.range[0] - b.range[0] || a.range[1] - b.range[1])) {
    if (range[0] < end) throw new Unreadable("tensors overlap");
    if (range[0] > end) hasMore = true;
    end = range[1];
  }
  return { tensors, hasMore: hasMore || end < body.length };
}

/** Names of the weight files: those of the index, else all `*.safetensors` at the top (11). */
function weightNames(entries) {
  const index = entries.find((e) => e.path.equals(Buffer.from(INDEX)));
  if (index === undefined) {
    const top = entries.filter((e) => !e.path.includes(0x2f) && e.path.toString("latin1").endsWith(".safetensors"));
    return { names: top.map((e) => e.path), indexed: false };
  }
  if (index.kind !== "file") throw new Unreadable("the index is no file");
  let map;
  try {
    map = JSON.parse(fs.readFileSync(index.full, "utf8")).weight_map;
  } catch {
    map = null;
  }
  const isMap = map !== null && typeof map === "object" && !Array.isArray(map);
  const files = isMap ? Object.values(map) : [null];
  if (!files.every((f) => typeof f === "string")) throw new Unreadable("the index names no files");
  return { names: [...new Set(files)].sort().map((f) => Buffer.from(f)), indexed: true };
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
  const name = Buffer.from(given.replace(/\/+$/, "").split("/").at(-1));
  const root = given;
  const entries = isLone
    ? [{ path: name, kind: "file", full: Buffer.from(given), size: BigInt(stat.size), sha256: hashFile(given) }]
    : resolved(root, walk(root));
  const { names } = isLone ? { names: [name] } : weightNames(entries);
  const tensors = new Map();
  const weights = [];
  for (const file of names) {
    const entry = entries.find((e) => e.path.equals(file));
    if (entry === undefined) continue; // a shard that is absent
    if (entry.kind !== "file") throw new Unreadable("a weight file is no regular file");
    const read = safetensors(entry.full);
    weights.push({ path: file, hasMore: read.hasMore });
    for (const t of read.tensors) {
      const size = BigInt(t.range[1] - t.range[0]);
      const item = [t.name, t.dtype, t.shape.map(BigInt), size, t.sha256];
      const key = Buffer.from(t.name).toString("hex");
      if (tensors.has(key)) throw new Unreadable(`tensor ${t.name} twice`);
      tensors.set(key, { leaf: leafHash(encode(item)), item });
    }
  }
  if (weights.length === 0) throw new Unreadable("no weights");
  return { entries, tensors, weights, indexPath: Buffer.from(INDEX) };
}
