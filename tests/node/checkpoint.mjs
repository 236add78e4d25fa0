// A local checkpoint against the bundle (format.md, 11): are these the weights (L2), is this the folder (L1).

import { Unreadable, readCheckpoint } from "./folder.mjs";
import { encode } from "./msgpack.mjs";
import { leafHash, pathOf, rootOf } from "./sections.mjs";

const PROSE_NAME = /^(readme|licen[sc]e|notice|copying|changelog|citation)(\.(txt)?)?$/;
const PROSE_END = /\.(md|rst|pdf|png|jpg|jpeg|gif|webp|svg)$/;

const lastPart = (path) => path.toString("latin1").split("/").at(-1);
const asciiLower = (text) => text.replace(/[A-Z]/g, (c) => c.toLowerCase());
const isProse = (path) => PROSE_NAME.test(asciiLower(lastPart(path))) || PROSE_END.test(asciiLower(lastPart(path)));
const isHidden = (path) => path.toString("latin1").split("/").some((part) => part.startsWith("."));

/** Full case folding of one code point; the dotless i alone folds to itself though its capital is I. */
const foldedLetter = (c) => (c === "\u0131" ? c : c.toLowerCase().toUpperCase().toLowerCase());

/** A path after folding of case and Unicode form; bytes that are not UTF-8 stand for themselves. */
function folded(path) {
  const text = path.toString("utf8");
  if (!Buffer.from(text).equals(path)) return path.toString("hex");
  return [...text.normalize("NFC")].map(foldedLetter).join("").normalize("NFC");
}

const hex = (bytes) => bytes.toString("hex");

/** Leaf hashes of a list of tensors: disclosed ones by name, withheld ones as a list, or null if all of it is withheld. */
function listed(sections, artifact) {
  const read = sections.read.get(`tensors.${artifact}`);
  if (read === undefined) return null;
  const byName = new Map();
  const hidden = [];
  read.values.forEach((row, i) => {
    if (read.hidden.has(i)) hidden.push(hex(read.hashes[i]));
    else byName.set(hex(Buffer.from(row[0])), hex(read.hashes[i]));
  });
  return { byName, hidden, leaves: new Set(read.hashes.map(hex)) };
}

const localRoot = (local) =>
  rootOf([...local.tensors].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { leaf }]) => leaf));

/** The artifact that a checkpoint is held against (11, "Which artifact"), or null. */
function choose(manifest, sections, local, taken) {
  const root = localRoot(local);
  let best = null;
  for (const artifact of sections.content.get("artifacts").map((a) => a.get("id"))) {
    const list = listed(sections, artifact);
    const isSame = manifest.sections.get(`tensors.${artifact}`).get("digest").equals(root);
    const tensors = list === null ? [] : [...local.tensors];
    const rank = [
      isSame ? 1 : 0,
      tensors.filter(([, { leaf }]) => list.leaves.has(hex(leaf))).length,
      tensors.filter(([name]) => list.byName.has(name)).length,
      taken.has(artifact) ? 0 : 1,
    ];
    if (rank[0] + rank[1] + rank[2] === 0) continue;
    const at = best === null ? -1 : rank.findIndex((n, i) => n !== best.rank[i]);
    if (best === null || (at >= 0 && rank[at] > best.rank[at])) best = { artifact, rank, list, isSame };
  }
  return best;
}

/** L2: tensors by name, withheld ones by leaf hash. */
function weights(local, { list, isSame }) {
  if (list === null) return isSame ? [] : [["MISMATCH", "another root"]];
  const out = [];
  const hidden = new Map();
  for (const leaf of list.hidden) hidden.set(leaf, (hidden.get(leaf) ?? 0) + 1);
  const missing = new Set(list.byName.keys());
  for (const [name, { leaf, item }] of local.tensors) {
    if (list.byName.has(name)) {
      missing.delete(name);
      if (list.byName.get(name) !== hex(leaf)) out.push(["MISMATCH", `tensor ${item[0]} is another one`]);
    } else if (hidden.get(hex(leaf)) > 0) hidden.set(hex(leaf), hidden.get(hex(leaf)) - 1);
    else out.push(["MISMATCH", `tensor ${item[0]} is not listed`]);
  }
  if (missing.size > 0 || [...hidden.values()].some((n) => n > 0)) out.push(["PARTIAL", "tensors are absent"]);
  return out;
}

/** How a file of the bundle and a local entry differ: null, "kind" or "content". */
function difference(signed, entry) {
  if (signed.get("kind") !== entry.kind) {
    const sum = signed.get("sha256");
    return sum !== null && entry.sha256?.equals(sum) ? "kind" : "kind and content";
  }
  if (entry.kind === "file") {
    const sum = signed.get("sha256");
    return sum !== null && !entry.sha256.equals(sum) ? "content" : null;
  }
  if (entry.kind !== "symlink") return null;
  const link = signed.get("link") === null ? signed.get("link_b") : Buffer.from(signed.get("link"));
  return link !== undefined && entry.link.equals(link) ? null : "content";
}

/** L1: why the folder is another one, or nothing. */
function folder(sections, artifact, local) {
  const signed = new Map(sections.content.get(`checkpoint.${artifact}`).get("files").map((f) => [hex(pathOf(f)), f]));
  const here = new Map(local.entries.map((e) => [hex(e.path), e]));
  const missing = [...signed].filter(([path]) => !here.has(path));
  const foldedMissing = new Set(missing.map(([, f]) => folded(pathOf(f))));
  const changed = local.entries
    .filter((e) => signed.has(hex(e.path)))
    .map((e) => ({ ...e, how: difference(signed.get(hex(e.path)), e) }))
    .filter((e) => e.how !== null);
  const extra = local.entries.filter((e) => !signed.has(hex(e.path)));
  for (const { path, hasMore } of local.weights) {
    if (hasMore && [...changed, ...extra].some((e) => e.path.equals(path))) {
      return [["MISMATCH", `${path} has bytes that belong to no tensor`]];
    }
  }
  const isWeight = (e) => local.weights.some((w) => w.path.equals(e.path)) || e.path.equals(local.indexPath);
  const out = [];
  for (const e of changed) {
    const isTolerated = isWeight(e) || (e.kind === "file" && isProse(e.path));
    if (!isTolerated || e.how === "kind and content") out.push(["MISMATCH", `${e.path} was changed`]);
  }
  for (const e of extra) {
    if (isWeight(e)) continue;
    const isOther = isHidden(e.path) || foldedMissing.has(folded(e.path)) || e.link !== undefined || e.kind === "other";
    if (isOther || (e.kind === "file" && !isProse(e.path))) out.push(["MISMATCH", `${e.path} was added`]);
  }
  return out;
}

/**
 * Hold checkpoints against a bundle, one after the other.
 * @param {string[]} paths folders or lone files
 * @param {string} [match] `weights`: L1 decides nothing
 * @returns {Array<[string, string]>} words and reasons
 */
export function compareCheckpoints(manifest, sections, paths, match) {
  const out = [];
  const taken = new Set();
  for (const path of paths) {
    let local;
    try {
      local = readCheckpoint(path);
    } catch (error) {
      out.push([error instanceof Unreadable ? "MISMATCH" : "INTERNAL", `${path}: ${error.message}`]);
      continue;
    }
    const chosen = choose(manifest, sections, local, taken);
    if (chosen === null) {
      out.push(["MISMATCH", `${path} shares no tensor with any artifact`]);
      continue;
    }
    taken.add(chosen.artifact);
    const found = weights(local, chosen);
    out.push(...found);
    if (match !== "weights" && !found.some(([word]) => word === "MISMATCH")) {
      out.push(...folder(sections, chosen.artifact, local));
    }
  }
  return out;
}

/** The local tensor of a proof's name must be its item (8.4). */
export function compareTensor(item, path) {
  try {
    const found = readCheckpoint(path).tensors.get(hex(Buffer.from(item[0])));
    return found?.leaf.equals(leafHash(encode(item))) ? [] : [["MISMATCH", `tensor ${item[0]}`]];
  } catch (error) {
    return [[error instanceof Unreadable ? "MISMATCH" : "INTERNAL", `${path}: ${error.message}`]];
  }
}
