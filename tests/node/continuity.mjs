// Continuity with an earlier bundle of the case (format.md, 6).

import { headOf } from "./sections.mjs";

/**
 * Hold a bundle against an earlier one that was verified with the same trust.
 * @param {object} later what `verify` returned so far: `id`, `manifest`, `sections`
 * @param {object} earlier outcome of the earlier one
 * @returns {[string, string]|null} REPLAY or PARTIAL with the reason, or null
 */
export function continuity(later, earlier) {
  if (!["VALID", "PARTIAL", "MISMATCH", "INCONSISTENT"].includes(earlier.word)) {
    return ["PARTIAL", "an earlier bundle cannot be compared"];
  }
  if (later.id.equals(earlier.id)) return null;
  const [a, b] = [earlier.manifest.map, later.manifest.map];
  if (a.get("case").get("id") !== b.get("case").get("id")) return ["REPLAY", "another case"];
  if (a.get("seq") >= b.get("seq")) return ["REPLAY", "no smaller number"];
  if (a.get("seq") + 1n === b.get("seq") && !b.get("prev").equals(earlier.id)) return ["REPLAY", "another predecessor"];
  const log = later.sections.read.get("log");
  if (log === undefined) return ["PARTIAL", "the log is withheld"];
  const entry = earlier.manifest.sections.get("log");
  const count = Number(entry.get("count"));
  if (log.hashes.length < count || !headOf(log.hashes.slice(0, count)).equals(entry.get("digest"))) {
    return ["REPLAY", "the log was rewritten"];
  }
  const next = later.sections.content.get("log")[count];
  if (next instanceof Map && next.get("act") === "bundle" && next.get("obj") !== null && !next.get("obj").equals(earlier.id)) {
    return ["REPLAY", "the log goes on from another bundle"];
  }
  return null;
}

/**
 * Whether the earlier bundles tell two stories: one number of one case, two ids (6).
 * @param {object[]} outcomes of the earlier bundles
 * @returns {boolean}
 */
export function tellsTwoStories(outcomes) {
  const seen = new Map();
  return outcomes
    .filter((o) => ["VALID", "PARTIAL", "MISMATCH", "INCONSISTENT"].includes(o.word))
    .some(({ id, manifest }) => {
      const name = JSON.stringify([manifest.map.get("case").get("id"), String(manifest.map.get("seq"))]);
      const isOther = seen.has(name) && seen.get(name) !== id.toString("hex");
      seen.set(name, id.toString("hex"));
      return isOther;
    });
}
