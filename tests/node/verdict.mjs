// Does the verdict follow? (format.md, 7 and 7.1)

import fs from "node:fs";
import { sha } from "./envelope.mjs";
import { Refusal, encode } from "./msgpack.mjs";

const BYTES = fs.readFileSync(new URL("../../mpk_tui/constitution/norm-1.0.0.json", import.meta.url));
const NORM = JSON.parse(BYTES.toString("utf8"));
const ADMISSIBLE = new Set(NORM.evidence.filter((e) => e.admissible).map((e) => e.kind));
const MECHANISMS = new Map(NORM.mechanisms.map((m) => [m.id, m.conditions]));
const EXCLUSIONS = NORM.exclusions.map((e) => e.id);
const TRAINED = ["c1", "c3", "c5", "3.2", "3.3", "3.4", "3.6", "3.7", "3.8", "3.9"];
const LICENSE = new Map([
  ["identical", ["c3", "c4", "c5", "3.1"]],
  ["reformatted", ["c3", "c4", "c5", "3.1", "3.7"]],
  ["near-identical", TRAINED],
  ["shared-trained-ancestor", TRAINED],
  ["component-shared", ["c5", "3.5", "3.6", "3.9"]],
  ["shared-initialisation", ["4.4"]],
]);
const SIGNED = ["label", "display", "conditions", "mechanisms", "exclusions", "basis"];

/** Refuse a norm that is not the one carried here, byte for byte (7). */
export function checkNorm(norm) {
  if (norm.get("id") !== "model-provenance-constitution" || norm.get("version") !== NORM.version || !norm.get("digest").equals(sha(BYTES))) {
    throw new Refusal("UNSUPPORTED", "another norm");
  }
}

const named = (finding, question) => (LICENSE.get(finding) ?? []).includes(question);

/** 7.1, step 2. */
function licensed(item, question) {
  if (!item.get("supports").includes(question)) return false;
  if (item.get("kind") !== "b") return true;
  if (item.get("finding") !== "") return named(item.get("finding"), question);
  return item.get("source") !== "" && item.get("digest") !== null;
}

/** 7.1, step 4, for a condition that is answered `met`: why it does not hold, or null. */
function objection(question, answer, support) {
  const finding = (item) => item.get("finding");
  if (support.length === 0) return "no support";
  if (question === "c1" && support.every((i) => i.get("kind") === "b" && finding(i) !== "")) return "weights alone";
  if (
    question === "c4" && support.some((i) => finding(i) === "reformatted") &&
    !support.some((i) => finding(i) !== "reformatted" || i.get("locator").includes("lossless"))
  ) return "no record of a lossless conversion";
  if (question !== "c5") return null;
  if (answer.get("basis") === "common-trained-ancestor") {
    return support.some((i) => finding(i) === "" || named(finding(i), "c5")) ? null : "no trained ancestor";
  }
  const hops = answer.get("hops");
  if (answer.get("basis") !== "chain" || hops.length < 2) return "no chain";
  if (hops.some((hop, i) => i > 0 && hops[i - 1][1] !== hop[0])) return "a broken chain";
  return hops.every((hop) => ["c1", "c2", "c3", "c4"].includes(hop[2])) ? null : "a hop by another condition";
}

const isWritten = (text) => /[^\t-\r ]/.test(text);

/**
 * The decision (7.1).
 * @param {Map<string, Map>} answers by question
 * @param {Map<string, Map>} evidence by id
 * @returns {{signed: object, conflicts: string[]}} `signed`: the fields that a signed row must carry
 */
export function decide(subject, reference, answers, evidence) {
  const none = { conditions: [], mechanisms: [], exclusions: [], basis: "" };
  if ([subject, reference].some((a) => a.get("scope") !== "transformer-lm")) {
    return { signed: { label: "none", display: "out of scope", ...none }, conflicts: [] };
  }
  const conflicts = [];
  const isMet = (question) => answers.get(question)?.get("answer") === "met";
  const cited = (question) => answers.get(question).get("evidence").map((id) => evidence.get(id)).filter(Boolean);
  const support = (question) =>
    cited(question).filter((i) => ADMISSIBLE.has(i.get("kind")) && licensed(i, question));
  let holding = [];
  for (const question of NORM.order) {
    if (!isMet(question)) continue;
    const why = objection(question, answers.get(question), support(question));
    if (why === null) holding.push(question);
    else conflicts.push(`${question}: ${why}`);
  }
  const denied = [...evidence.values()].some((i) => i.get("kind") === "denial");
  const checked = holding.some((q) => cited(q).some((i) => i.get("kind") === "b" && licensed(i, q)));
  if (denied && !checked) holding = [];
  const met = [...MECHANISMS.keys()].filter(isMet);
  const mechanisms = met.filter((m) => MECHANISMS.get(m).some((c) => holding.includes(c)));
  const excluded = EXCLUSIONS.filter(isMet);
  if (holding.length > 0) {
    for (const m of met) if (!mechanisms.includes(m)) conflicts.push(`${m} serves no condition that holds`);
    for (const e of excluded) {
      const resolved = [e, ...holding].every((q) => isWritten(answers.get(q).get("resolution")));
      if (!resolved) conflicts.push(`${e} is answered met beside ${holding}`);
    }
    const basis = holding.includes("c5") ? answers.get("c5").get("basis") : "";
    return { signed: { label: "linked", display: "linked", ...none, conditions: holding, mechanisms, basis }, conflicts };
  }
  const complete = subject.get("complete") && reference.get("complete");
  const exclusions = complete ? excluded.filter((e) => support(e).length > 0) : [];
  const display = exclusions.length > 0 ? "exclusion established" : "provenance not established (default)";
  return { signed: { label: "independent", display, ...none, exclusions }, conflicts };
}

/** Rows of a section as a map of maps: pair -> name -> row. */
function byPair(rows, name) {
  const out = new Map();
  for (const row of rows) {
    if (!out.has(row.get("pair"))) out.set(row.get("pair"), new Map());
    out.get(row.get("pair")).set(row.get(name), row);
  }
  return out;
}

const inMap = (value, name) => (value instanceof Map ? value.get(name) : undefined);

/** Records and items of evidence against each other and the lists of tensors (7). */
function findingsAndEvidence(manifest, findings, evidence) {
  const faults = [];
  const rows = new Map(findings.map((row) => [row.get("digest").toString("hex"), row]));
  for (const row of findings) {
    const record = row.get("record");
    if (!sha(encode(record)).equals(row.get("digest"))) faults.push("a finding is not its digest");
    const roots = row.get("pair").split(":").map((a) => manifest.sections.get(`tensors.${a}`)?.get("digest").toString("hex"));
    if (record.get("finding") === "identical" && !roots.includes(undefined) && roots[0] !== roots[1]) {
      faults.push("identical, with other tensors");
    }
    row.get("pair").split(":").forEach((artifact, i) => {
      const root = manifest.sections.get(`tensors.${artifact}`)?.get("digest").toString("hex");
      const given = inMap(record.get("ab"[i]), "root");
      if (root === undefined || given !== root) faults.push(`a finding about other weights than ${artifact}`);
    });
  }
  for (const item of evidence) {
    const name = `evidence ${item.get("id")}`;
    const [finding, record] = [item.get("finding"), item.get("record")];
    if (record === null) {
      if (finding !== "") faults.push(`${name} claims a finding without a record`);
      continue;
    }
    const row = rows.get(record.toString("hex"));
    if (row === undefined || row.get("pair") !== item.get("pair") || row.get("record").get("finding") !== finding) {
      faults.push(`${name} does not rest on its record`);
      continue;
    }
    const lossless = inMap(row.get("record").get("identity"), "lossless") === true;
    if (finding === "reformatted" && item.get("locator").includes("lossless") && !lossless) {
      faults.push(`${name} says lossless`);
    }
  }
  return faults;
}

/**
 * Recompute every pair (7).
 * @returns {string[]} why the bundle is INCONSISTENT; empty if it is not
 */
export function inconsistencies(manifest, content) {
  const faults = [];
  const artifacts = content.get("artifacts");
  const [findings, evidence, answers, verdict] = ["findings", "evidence", "answers", "verdict"].map((n) => content.get(n));
  const signed = verdict && new Map(verdict.get("pairs").map((row) => [row.get("pair"), row]));
  const answered = answers && byPair(answers, "question");
  const shown = evidence && byPair(evidence, "id");
  const pairs = new Set();
  for (const s of artifacts.filter((a) => a.get("role") === "subject")) {
    for (const r of artifacts.filter((a) => a.get("role") === "reference")) {
      const pair = `${s.get("id")}:${r.get("id")}`;
      pairs.add(pair);
      if (signed && !signed.has(pair)) faults.push(`no verdict on ${pair}`);
      if (!answers || !evidence) continue;
      const found = decide(s, r, answered.get(pair) ?? new Map(), shown.get(pair) ?? new Map());
      faults.push(...found.conflicts.map((c) => `${pair}: ${c}`));
      if (!signed?.has(pair)) continue;
      const row = signed.get(pair);
      for (const name of SIGNED) {
        if (JSON.stringify(row.get(name)) !== JSON.stringify(found.signed[name])) faults.push(`${pair}: ${name}`);
      }
    }
  }
  const rows = [verdict?.get("pairs"), findings, evidence, answers].flatMap((list) => list ?? []);
  for (const row of rows) if (!pairs.has(row.get("pair"))) faults.push(`${row.get("pair")} is no pair`);
  if (findings) faults.push(...findingsAndEvidence(manifest, findings, evidence ?? []));
  return faults;
}
