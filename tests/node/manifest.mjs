// The manifest (format.md, 3) and the table of sections (5).

import { SUITES, isSuite, keyId, keysOf, must } from "./envelope.mjs";
import { MANIFEST, Refusal, decode } from "./msgpack.mjs";
import { fit } from "./shapes.mjs";

// Family -> kind, required, salted, redactable, what the suffix is: nothing, an artifact's id, or a document's.
const TABLE = {
  artifacts: ["blob", true, false, false, null],
  norm: ["blob", true, false, false, null],
  selftest: ["blob", true, false, false, null],
  checkpoint: ["blob", false, false, false, "artifact"], // required for each artifact; asked with the references
  facts: ["blob", false, false, true, "artifact"],
  tensors: ["merkle", false, false, true, "artifact"],
  locations: ["blob", false, false, true, "artifact"],
  features: ["blob", false, false, true, "artifact"],
  findings: ["blob", true, false, true, null],
  evidence: ["blob", true, true, true, null],
  answers: ["blob", true, true, true, null],
  verdict: ["blob", true, true, true, null],
  log: ["chain", true, false, true, null],
  notes: ["blob", false, true, true, null],
  docs: ["blob", false, false, true, null],
  doc: ["blob", false, false, true, "document"],
};
const ARTIFACT = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const NAMES = ["v", "suite", "case", "seq", "prev", "created", "tool", "signers", "sections", "crit"];

/** `[family, suffix]` of a section's id; the suffix is null without a dot. */
export function split(id) {
  const dot = id.indexOf(".");
  return dot < 0 ? [id, null] : [id.slice(0, dot), id.slice(dot + 1)];
}

/** Whether schema 1 knows a section's family. */
export const isKnown = (id) => Object.hasOwn(TABLE, split(id)[0]);
/** Whether a section belongs to an artifact. */
export const isOfArtifact = (id) => isKnown(id) && TABLE[split(id)[0]][4] === "artifact";

/**
 * Where unknown fields of a map of this version go (3, Versions).
 * @returns {string[]|null} null: refuse them; an array: collect them
 * @throws {Refusal} MALFORMED, UNSUPPORTED
 */
export function version(map) {
  must(map instanceof Map, "no map");
  const v = map.get("v");
  must(Array.isArray(v) && v.length === 2 && v.every((n) => typeof n === "bigint" && n >= 0n), "v");
  if (v[0] !== 1n) throw new Refusal("UNSUPPORTED", "another major version");
  return v[1] > 0n ? [] : null;
}

/** A name in `crit` that this reader does not know is UNSUPPORTED, in any minor version (3, 9.1). */
export function critical(map, names) {
  for (const name of map.get("crit")) {
    if (!names.includes(name)) throw new Refusal("UNSUPPORTED", `crit names ${name}`);
  }
}

/** Order and marks of the listed sections against the table of section 5. */
function sections(list, unknown) {
  let before = null;
  for (const s of list) {
    const id = s.get("id");
    must(before === null || before < id, "sections out of order"); // ids are ASCII
    before = id;
    must(s.get("kind") === "blob" || !s.get("salted"), "only a blob may be salted");
    must(s.get("kind") !== "blob" || s.get("count") === 0n, "a blob has count 0");
    const [family, suffix] = split(id);
    if (!isKnown(id)) {
      must(unknown !== null, `section ${id} is unknown`);
      unknown.push(id);
      continue;
    }
    const [kind, , salted, redactable, ending] = TABLE[family];
    must((suffix !== null) === (ending !== null), `suffix of ${id}`);
    must(ending !== "artifact" || ARTIFACT.test(suffix), `artifact of ${id}`);
    must(s.get("type") === `${family}/1`, `type of ${id}`);
    must(s.get("kind") === kind && s.get("salted") === salted && s.get("redactable") === redactable, `marks of ${id}`);
  }
  const ids = new Set(list.map((s) => s.get("id")));
  for (const [family, [, required]] of Object.entries(TABLE)) must(!required || ids.has(family), `no section ${family}`);
}

/**
 * Read a payload as a manifest, in the order of checks of section 3.
 * @returns {{map: Map, unknown: string[]|null, signers: Array, sections: Map, suite: string, keys: Map}}
 *   `keys`: key id -> key of every declared key
 */
export function readManifest(payload) {
  const map = decode(payload, MANIFEST);
  const unknown = version(map);
  fit("manifest", map, unknown);
  critical(map, NAMES);
  const suite = map.get("suite");
  if (!Object.hasOwn(SUITES, suite)) throw new Refusal("UNSUPPORTED", `suite ${suite}`);
  const signers = map.get("signers").map((s) => ({ id: s.get("id"), role: s.get("role"), keys: keysOf(s) }));
  for (const { keys } of signers) must(isSuite(keys, suite), "a signer's keys are not those of the suite");
  const keys = new Map();
  for (const key of signers.flatMap((s) => s.keys)) {
    must(!keys.has(keyId(key)), "a key is declared twice");
    keys.set(keyId(key), key);
  }
  must(new Set(signers.map((s) => s.id)).size === signers.length, "a signer is declared twice");
  must((map.get("prev") === null) === (map.get("seq") === 0n), "prev is nil exactly when seq is 0");
  sections(map.get("sections"), unknown);
  return { map, unknown, signers, suite, keys, sections: new Map(map.get("sections").map((s) => [s.get("id"), s])) };
}

/**
 * Verify the signatures over a manifest (10): every declared key, and every one that the store knows.
 * @param {Map<string, Buffer>} given signatures by key id
 * @param {Map<string, object>} known keys of the store by id
 * @returns {string[]} what is wrong; empty if all is well
 */
export function badSignatures(declared, given, known, message, verifies) {
  const faults = [];
  for (const [id, key] of declared) {
    const signature = given.get(id);
    if (signature === undefined) faults.push(`no signature by ${id}`);
    else if (!verifies(key, message, signature)) faults.push(`bad signature by ${id}`);
  }
  for (const [id, signature] of given) {
    if (declared.has(id) || !known.has(id)) continue;
    if (!verifies(known.get(id), message, signature)) faults.push(`bad signature by ${id}, a key of the store`);
  }
  return faults;
}
