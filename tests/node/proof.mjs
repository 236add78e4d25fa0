// The proof of one tensor (format.md, 8.4).

import { BUNDLE, MIB, byKey, orderedSignatures, pae, sha,  verifies } from "./envelope.mjs";
import { Refusal, decode, over } from "./msgpack.mjs";
import { badSignatures, readManifest, split } from "./manifest.mjs";
import { leafHash, nodeHash } from "./sections.mjs";
import { fit } from "./shapes.mjs";

// The caps of a proof, as those of an envelope are (2); no map has a place in it.
const CAPS = { depth: 4, keys: 0, items: 64, str: 256, bin: MIB, nodes: 256 };
const START = Buffer.from("99a54d504b4931", "hex");

/** Whether a file starts like a proof. */
export const isProof = (data) => data.length >= START.length && data.subarray(0, START.length).equals(START);

/** Root that a leaf and its audit path lead to (RFC 9162, 2.1.3.2), or null if the path does not fit the size. */
export function climb(index, count, leaf, path) {
  if (index >= count) return null;
  let [at, last, hash] = [index, count - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return null;
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else hash = nodeHash(hash, sibling);
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 ? hash : null;
}

/**
 * Check a proof up to its item; trust and date are asked by the caller.
 * @returns {{id: Buffer, manifest: object, item: Array|null, faults: string[]}} `faults` make it ALTERED
 * @throws {Refusal}
 */
export function readProof(data, store) {
  if (data.length > 2 * MIB) throw over("a proof has at most 2 MiB");
  const parts = decode(data, CAPS);
  const [, type, payload, signatures, section, index, count, item, path] = parts;
  if (Buffer.isBuffer(payload) && payload.length > MIB) throw over("manifest_bytes");
  fit("tensor-proof", parts);
  orderedSignatures(signatures);
  if (type !== BUNDLE) throw new Refusal("UNSUPPORTED", "payload type");
  const manifest = readManifest(payload);
  const message = pae(type, payload);
  const out = { id: sha(message), manifest, item: null, faults: [] };
  out.faults = badSignatures(manifest.keys, byKey(signatures), store.keys, message, verifies);
  if (out.faults.length > 0) return out;
  const entry = manifest.sections.get(section);
  if (entry === undefined || split(section)[0] !== "tensors" || entry.get("count") !== count) out.faults.push("the section or its count is not the signed one");
  else {
    const root = climb(Number(index), Number(count), leafHash(item), path);
    if (root === null || !root.equals(entry.get("digest"))) out.faults.push("the path does not lead to the signed root");
  }
  if (out.faults.length > 0) return out;
  out.item = decode(item);
  fit("item-tensors", out.item, manifest.unknown);
  return out;
}
