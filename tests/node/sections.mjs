// Digests and content of sections (format.md, 4 and 5), what ties them together, and the log (6).

import { must, sha, tagged } from "./envelope.mjs";
import { isKnown, isOfArtifact, split } from "./manifest.mjs";
import { PROFILE, decode, over } from "./msgpack.mjs";
import { fit } from "./shapes.mjs";

const WIDTH = { "<f2": 2n, "<f4": 4n, "<f8": 8n, "<i4": 4n, "<i8": 8n };

/** Hash of a leaf of an RFC 9162 tree. */
export const leafHash = (item) => sha(Buffer.from([0]), item);
/** Hash of an inner node. */
export const nodeHash = (left, right) => sha(Buffer.from([1]), left, right);

/** Root over leaf hashes (4): split at the largest power of two below n. */
export function rootOf(leaves) {
  if (leaves.length === 0) return sha();
  if (leaves.length === 1) return leaves[0];
  let cut = 1;
  while (cut * 2 < leaves.length) cut *= 2;
  return nodeHash(rootOf(leaves.slice(0, cut)), rootOf(leaves.slice(cut)));
}

/** Head of a chain over entry hashes (4). */
export const headOf = (hashes) => hashes.reduce((h, entry) => tagged("log", h, entry), tagged("log-genesis"));

/** Items of a merkle or chain section: values, their hashes, and the indices of those that are withheld (4). */
function readItems(kind, data, tally) {
  const spans = [];
  const values = decode(data, PROFILE, spans, tally);
  must(Array.isArray(values), "no array of items");
  if (kind === "chain" && values.length > 100_000) throw over("log_entries");
  const hidden = new Set();
  const hashes = values.map((value, i) => {
    if (!Array.isArray(value) || value.length !== 1) return kind === "merkle" ? leafHash(spans[i]) : sha(spans[i]);
    fit("withheld", value);
    hidden.add(i);
    return value[0];
  });
  return { values, hashes, hidden, digest: kind === "merkle" ? rootOf(hashes) : headOf(hashes) };
}

/** Hold one blob against its entry of the manifest (4). Returns what was read; `fault` if the bytes are not the signed ones. */
function readSection(entry, [id, salt, data], tally) {
  if (salt.length > 0 !== entry.get("salted")) return { fault: "salt" };
  if (entry.get("kind") === "blob") {
    const digest = entry.get("salted") ? tagged("sec", Buffer.from(id), salt, data) : sha(data);
    if (BigInt(data.length) !== entry.get("size")) return { fault: "size" };
    return digest.equals(entry.get("digest")) ? { data } : { fault: "digest" };
  }
  const read = readItems(entry.get("kind"), data, tally);
  if (BigInt(read.values.length) !== entry.get("count")) return { fault: "count" };
  if (read.hidden.size === 0 && BigInt(data.length) !== entry.get("size")) return { fault: "size" };
  return read.digest.equals(entry.get("digest")) ? read : { fault: "digest" };
}

/** Hold content against its shape (5). */
function shaped(id, read, unknown, tally) {
  const [family] = split(id);
  if (read.data !== undefined) {
    const value = decode(read.data, PROFILE, null, tally);
    fit(`section-${family}`, value, unknown);
    return value;
  }
  read.values.forEach((value, i) => read.hidden.has(i) || fit(`item-${family}`, value, unknown));
  return read.values;
}

/**
 * Read every section, in the manifest's order (4).
 * @returns {{content: Map, read: Map, withheld: string[], faults: string[]}} `content`: decoded values by id;
 *   `read`: hashes and withheld indices of lists by id; `withheld`: ids of missing redactable sections
 */
export function readSections(manifest, blobs) {
  const tally = { left: 16_000_000 }; // of all sections together (10.2)
  const given = new Map(blobs.map((b) => [b[0], b]));
  const out = { content: new Map(), read: new Map(), withheld: [], faults: [] };
  for (const [id, entry] of manifest.sections) {
    if (!given.has(id)) {
      if (entry.get("redactable")) out.withheld.push(id);
      else out.faults.push(`${id} is missing`);
      continue;
    }
    const read = readSection(entry, given.get(id), tally);
    if (read.fault !== undefined) {
      out.faults.push(`${id}: ${read.fault}`);
      continue;
    }
    out.read.set(id, read);
    if (!isKnown(id) || split(id)[0] === "doc") continue;
    out.content.set(id, shaped(id, read, manifest.unknown, tally));
    within(id, out.content.get(id), read);
  }
  for (const id of given.keys()) if (!manifest.sections.has(id)) out.faults.push(`${id} is not listed`);
  return out;
}

function unique(values, what) {
  must(new Set(values).size === values.length, `${what} twice`);
}

/** Whether bytes are well-formed UTF-8. */
export function isText(bytes) {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** A file's path as bytes (5, `checkpoint`). */
export const pathOf = (file) => (file.has("path") ? Buffer.from(file.get("path")) : file.get("path_b"));

/** What shapes cannot say, of one section alone (5). */
function within(id, value, read) {
  const [family] = split(id);
  const each = (...names) => value.map((row) => JSON.stringify(names.map((n) => row.get(n))));
  if (family === "artifacts" || family === "features" || family === "docs") unique(each("id"), `${family}: an id`);
  else if (family === "findings") unique(value.map((row) => row.get("digest").toString("hex")), "findings: a digest");
  else if (family === "verdict") unique(value.get("pairs").map((row) => row.get("pair")), "verdict: a pair");
  else if (family === "evidence") unique(each("pair", "id"), "evidence: an id");
  else if (family === "answers") unique(each("pair", "question"), "answers: a question");
  else if (family === "checkpoint") {
    for (const file of value.get("files")) {
      must(file.has("path") !== file.has("path_b"), "a file has either path or path_b");
      must(!file.has("path_b") || !isText(file.get("path_b")), "path_b is UTF-8");
      must(!file.has("link_b") || (file.get("link") === null && !isText(file.get("link_b"))), "link_b");
    }
    unique(value.get("files").map((f) => pathOf(f).toString("hex")), "a path");
  } else if (family === "tensors") {
    const names = value.filter((_, i) => !read.hidden.has(i)).map((row) => Buffer.from(row[0]));
    names.forEach((name, i) => must(i === 0 || Buffer.compare(names[i - 1], name) < 0, "tensors out of order"));
  }
  if (family === "features") {
    for (const row of value) {
      const size = row.get("shape").reduce((a, b) => a * b, WIDTH[row.get("dtype")]);
      must(size === BigInt(row.get("data").length), "a feature's data are not of its shape");
    }
  }
}

/** What ties sections together (5), each MALFORMED. */
export function references(manifest, { content }) {
  const { sections } = manifest;
  const artifacts = new Set(content.get("artifacts").map((a) => a.get("id")));
  for (const id of sections.keys()) must(!isOfArtifact(id) || artifacts.has(split(id)[1]), `${id} belongs to no artifact`);
  for (const artifact of artifacts) {
    for (const family of ["checkpoint", "facts", "tensors"]) {
      must(sections.has(`${family}.${artifact}`), `${artifact} has no ${family}`);
    }
    const located = content.get(`locations.${artifact}`);
    if (located === undefined) continue;
    const rows = located.get("rows");
    const files = BigInt(content.get(`checkpoint.${artifact}`).get("files").length);
    must(BigInt(rows.length) === sections.get(`tensors.${artifact}`).get("count"), "locations of other tensors");
    for (const [index] of rows) must(index < files, "locations in a file that is not listed");
  }
  const docs = new Map((content.get("docs") ?? []).map((d) => [d.get("id"), d]));
  if (content.has("docs") || !sections.has("docs")) {
    for (const id of sections.keys()) must(split(id)[0] !== "doc" || docs.has(id), `${id} is not in docs`);
  }
  for (const [id, row] of docs) {
    const entry = sections.get(id);
    must(entry !== undefined && split(id)[0] === "doc", `docs names ${id}`);
    must(entry.get("digest").equals(row.get("sha256")) && entry.get("size") === row.get("size"), `docs: ${id}`);
  }
}

/** The log's numbers and its last entry (6), each MALFORMED. */
export function checkLog(manifest, { content, read }) {
  if (!content.has("log")) return;
  const { hidden } = read.get("log");
  const entries = content.get("log");
  must(entries.length > 0, "an empty log");
  entries.forEach((entry, i) => must(hidden.has(i) || entry.get("seq") === BigInt(i), "numbers of the log"));
  const last = entries.length - 1;
  if (hidden.has(last)) return;
  must(entries[last].get("act") === "export", "the log does not end with export");
  must(entries[last].get("params").get("seq") === manifest.map.get("seq"), "export of another number");
}
