// Endorsements and redaction records (format.md, 8.1 and 8.2).

import { ENDORSEMENT, byKey, isSuite, keyId, keysOf, must, pae, sha, verifies } from "./envelope.mjs";
import { MANIFEST, decode, encode } from "./msgpack.mjs";
import { version } from "./manifest.mjs";
import { fit } from "./shapes.mjs";
import { trustedEndorser } from "./store.mjs";

/** Words and their codes (10), in the order of the table. */
export const CODES = {
  INTERNAL: 40, LIMIT: 31, MALFORMED: 30, UNSUPPORTED: 32, ALTERED: 20, REVOKED: 13, EXPIRED: 12, UNTRUSTED: 11,
  REPLAY: 14, INCONSISTENT: 22, MISMATCH: 21, PARTIAL: 10, VALID: 0,
};

const DAY = 24n * 3600n * 1000n;

/** Body of an endorsement, its shape and its keys. */
function readBody(body, suite) {
  const map = decode(body, MANIFEST);
  const unknown = version(map);
  fit("endorsement", map, unknown);
  const [kind, data] = [map.get("kind"), map.get("data")];
  fit(`data-of-${kind}`, data, unknown);
  const keys = keysOf(map.get("signer"));
  must(isSuite(keys, suite), "keys of an endorsement");
  must(new Set(keys.map(keyId)).size === keys.length, "a key twice");
  if (kind === "redaction") must(data.get("ids").length + (data.get("items") ?? []).length > 0, "a redaction of nothing");
  if (kind === "receipt") must(data.get("code") === BigInt(CODES[data.get("verdict")]), "code of a receipt");
  return { map, kind, data, keys };
}

/** Sections and items that the data speak of must be in the manifest. */
function checkNames(manifest, kind, data) {
  const ids = [...(data.get("reviewed") ?? []), ...(kind === "redaction" ? data.get("ids") : [])];
  for (const id of ids) must(manifest.sections.has(id), `an endorsement names ${id}`);
  for (const [id, index] of (kind === "redaction" && data.get("items")) || []) {
    const entry = manifest.sections.get(id);
    must(entry !== undefined && entry.get("kind") !== "blob" && index < entry.get("count"), `no item ${index} of ${id}`);
  }
}

/** What a redaction record calls withheld and is here all the same (8.2). */
function present(data, { read }) {
  const ids = data.get("ids").filter((id) => read.has(id));
  const items = (data.get("items") ?? []).filter(([id, index]) => read.has(id) && !read.get(id).hidden.has(Number(index)));
  return [...ids, ...items.map(([id, index]) => `item ${index} of ${id}`)];
}

/**
 * Check all endorsements, in the order of the file (8.1).
 * @param {object} sealed what `readEnvelope` returned
 * @param {object} sections what `readSections` returned
 * @returns {{faults: string[], witnesses: Array<{person: object, at: bigint}>}} `faults` make the bundle ALTERED
 */
export function readEndorsements(sealed, id, manifest, sections, store, now) {
  const faults = [];
  const witnesses = [];
  const sigs = sha(encode(sealed.signatures));
  for (const [body, rows] of sealed.endorsements) {
    const { map, kind, data, keys } = readBody(body, manifest.suite);
    if (!map.get("target").equals(id) || !map.get("sigs").equals(sigs)) {
      faults.push("an endorsement of something else");
      continue;
    }
    checkNames(manifest, kind, data);
    const message = pae(ENDORSEMENT, body);
    const given = byKey(rows);
    const declared = new Map(keys.map((key) => [keyId(key), key]));
    const isKnown = (k) => manifest.keys.has(k) || store.keys.has(k);
    const keyOf = (k) => declared.get(k) ?? manifest.keys.get(k) ?? store.keys.get(k);
    const isComplete = [...declared.keys()].every((k) => given.has(k));
    const isGood = [...given].every(([k, signature]) => !keyOf(k) || verifies(keyOf(k), message, signature));
    if ((!isComplete || !isGood) && [...declared.keys(), ...given.keys()].some(isKnown)) faults.push("a bad endorsement");
    if (kind === "redaction") faults.push(...present(data, sections).map((what) => `${what} is said to be withheld`));
    if (!isComplete || !isGood) continue;
    const signer = map.get("signer");
    const person = trustedEndorser(store, { role: signer.get("role"), keys, at: map.get("at") }, manifest.suite, now);
    // Dated before the bundle, or more than 24 h ahead, it is no witness's (9).
    const at = map.get("at");
    if (person !== null && at >= manifest.map.get("created") && at <= now + DAY) witnesses.push({ person, at });
  }
  return { faults, witnesses };
}
