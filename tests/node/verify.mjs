// A second verifier of evidence bundles, written from docs/format.md alone: Node's own crypto, no dependency.
//
//   node verify.mjs BUNDLE (--key PEM | --trust FILE.mpkt) [--expect-case ID] [--expect-bundle HEX] [--earlier FILE]…
//                   [--attachments DIR] [--checkpoint PATH]… [--match weights]
//                                            prints VERDICT <word> <code> last and exits with the code
//   node verify.mjs --suite FOLDER           every folder below with an expect.json, one line of JSON for each
//   node verify.mjs --batch FOLDER (--key PEM | --trust FILE.mpkt)
//                                            one line of JSON for each file of the folder, by name
//   node verify.mjs --runs FILE              FILE holds one line of JSON for each run, an array of the arguments above; one
//                                            line of JSON for each run, by its number
//
// --now MS sets the clock, for tests.  What it does not do: --rerun, --features, receipts, limits of its own choice.

import fs from "node:fs";
import path from "node:path";
import { attachmentsBelow } from "./attachments.mjs";
import { compareCheckpoints, compareTensor } from "./checkpoint.mjs";
import { continuity, tellsTwoStories } from "./continuity.mjs";
import { CODES, readEndorsements } from "./endorse.mjs";
import { BUNDLE, MIB, byKey, pae, readEnvelope, sha, verifies } from "./envelope.mjs";
import { Refusal, over } from "./msgpack.mjs";
import { badSignatures, readManifest } from "./manifest.mjs";
import { isProof, readProof } from "./proof.mjs";
import { checkLog, readSections, references } from "./sections.mjs";
import { judge, readStore, storeOfKeys } from "./store.mjs";
import { suite } from "./suite.mjs";
import { checkNorm, inconsistencies } from "./verdict.mjs";

const DAY = 24n * 3600n * 1000n;
const SHOWN = ["VALID", "PARTIAL", "MISMATCH", "INCONSISTENT"];

/** Something outside the bundle that cannot be used: INTERNAL. */
export class Unusable extends Error {}

/** The first word of the table of section 10 among those found. */
const worst = (found) => Object.keys(CODES).find((word) => found.some(([w]) => w === word)) ?? "VALID";

/** Expectations and dates (10, REPLAY), the same for bundles and proofs. */
function freshness({ id, manifest }, options, found) {
  const { expectCase, expectBundle, now } = options;
  if (expectCase !== undefined && manifest.map.get("case").get("id") !== expectCase) found.push(["REPLAY", "another case"]);
  if (expectBundle !== undefined && id.toString("hex") !== expectBundle.toLowerCase()) found.push(["REPLAY", "another bundle"]);
  if (manifest.map.get("created") > now + DAY) found.push(["REPLAY", "dated ahead"]);
}

function proofSteps(data, store, options, found, out) {
  const proof = readProof(data, store);
  found.push(...proof.faults.map((what) => ["ALTERED", what]));
  if (found.length > 0) return;
  Object.assign(out, proof);
  found.push(...judge(store, proof.manifest, [], options.now));
  freshness(proof, options, found);
  if (!SHOWN.includes(worst(found))) return;
  for (const folder of options.checkpoints ?? []) found.push(...compareTensor(proof.item, folder));
}

/** The steps of section 10, in its order. */
function steps(data, store, options, found, out) {
  const altered = (faults) => found.push(...faults.map((what) => ["ALTERED", what]));
  const sealed = readEnvelope(data);
  if (sealed.type !== BUNDLE) throw new Refusal("UNSUPPORTED", "payload type");
  const manifest = readManifest(sealed.payload);
  const message = pae(sealed.type, sealed.payload);
  if (altered(badSignatures(manifest.keys, byKey(sealed.signatures), store.keys, message, verifies)) > 0) return;
  const sections = readSections(manifest, sealed.blobs);
  if (altered(sections.faults) > 0) return;
  references(manifest, sections);
  checkLog(manifest, sections);
  checkNorm(sections.content.get("norm"));
  const id = sha(message);
  const { faults, witnesses } = readEndorsements(sealed, id, manifest, sections, store, options.now);
  if (altered(faults) > 0) return;
  Object.assign(out, { id, manifest, sections });
  const beside = options.attachments === undefined ? new Set() : attachmentsBelow(options.attachments, manifest, sections);
  for (const name of sections.withheld) if (!beside.has(name)) found.push(["PARTIAL", `${name} is withheld`]);
  for (const [name, { hidden }] of sections.read) if (hidden?.size > 0) found.push(["PARTIAL", `items of ${name} are withheld`]);
  found.push(...judge(store, manifest, witnesses, options.now));
  freshness(out, options, found);
  const before = (options.earlier ?? []).map((earlier) => verify(earlier, store, { now: options.now }));
  for (const earlier of before) {
    const result = continuity(out, earlier);
    if (result !== null) found.push(result);
  }
  if (tellsTwoStories(before)) found.push(["REPLAY", "the earlier bundles tell two stories"]);
  found.push(...inconsistencies(manifest, sections.content).map((what) => ["INCONSISTENT", what]));
  if (options.checkpoints?.length > 0 && SHOWN.includes(worst(found))) {
    found.push(...compareCheckpoints(manifest, sections, options.checkpoints, options.match));
  }
}

/**
 * Verify a bundle or the proof of one tensor.
 * @param {Buffer} data the file
 * @param {object} store what `storeOfKeys` or `readStore` returned
 * @param {{now: bigint, expectCase?: string, expectBundle?: string, earlier?: Buffer[], attachments?: string,
 *   checkpoints?: string[], match?: string}} options
 * @returns {{word: string, why: string[]}} with `id`, `manifest` and `sections` where they were read
 */
export function verify(data, store, options) {
  const found = [];
  const out = {};
  try {
    (isProof(data) ? proofSteps : steps)(data, store, options, found, out);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { word: error.word, why: [error.message] };
  }
  const word = worst(found);
  return { ...out, word, why: found.filter(([w]) => w === word).map(([, what]) => what) };
}

/** A regular file's bytes; LIMIT before a file is read that is too large. */
function load(file, most = 1024 * MIB) {
  const stat = fs.statSync(file);
  if (!stat.isFile()) throw new Unusable(`${file} is no regular file`);
  if (stat.size > most) throw over(`${file} is too large`);
  return fs.readFileSync(file);
}

/** The store that the arguments name; whatever is wrong with it is INTERNAL (9.3). */
function trust({ key, trust: file }) {
  try {
    if (file !== undefined) return readStore(load(file, 2 * MIB));
    const beside = key.replace(/(\.pub)?\.pem$/, ".ml-dsa-65$&"); // the second half, if it is there (10, One key)
    const files = beside === key || key.includes(".ml-dsa-65.") || !fs.existsSync(beside) ? [key] : [key, beside];
    return storeOfKeys(files.map((name) => load(name, 65_536).toString("utf8")));
  } catch (error) {
    throw new Unusable(`${file ?? key}: ${error.message}`);
  }
}

/**
 * Run a verification as the command line asks for it.
 * @returns {{word: string, why: string[]}}
 */
export function run(given) {
  try {
    const store = trust(given);
    const { attachments } = given;
    if (attachments !== undefined && !fs.statSync(attachments).isDirectory()) throw new Unusable(`${attachments} is no folder`);
    return verify(load(given.bundle), store, { ...given, earlier: given.earlier.map((f) => load(f)) });
  } catch (error) {
    if (error instanceof Refusal) return { word: error.word, why: [error.message] };
    return { word: "INTERNAL", why: [error instanceof Unusable || error.code ? error.message : error.stack] };
  }
}

const OPTIONS = ["key", "trust", "expect-case", "expect-bundle", "attachments", "match", "suite", "batch", "runs"];

function parse(args, now = BigInt(Date.now())) {
  const given = { now, earlier: [], checkpoints: [] };
  const rest = [...args];
  while (rest.length > 0) {
    const arg = rest.shift();
    if (!arg.startsWith("--")) {
      given.bundle = arg;
      continue;
    }
    const value = rest.shift();
    if (arg === "--now") given.now = BigInt(value);
    else if (arg === "--earlier") given.earlier.push(value);
    else if (arg === "--checkpoint") given.checkpoints.push(value);
    else if (!OPTIONS.includes(arg.slice(2)) || value === undefined) throw new RangeError(`${arg} is not understood`);
    else given[arg.slice(2).replace(/-([a-z])/g, (_, letter) => letter.toUpperCase())] = value;
  }
  return given;
}

function batch(given) {
  let store = null;
  let why = null;
  try {
    store = trust(given);
  } catch (error) {
    why = error.message;
  }
  for (const name of fs.readdirSync(given.batch).sort()) {
    let outcome = { word: "INTERNAL", why: [why] };
    if (store !== null) outcome = verify(fs.readFileSync(path.join(given.batch, name)), store, given);
    const { word, why: reasons } = outcome;
    console.log(JSON.stringify({ name, verdict: word, exit_code: CODES[word], why: reasons.join("; ") }));
  }
  return 0;
}

function runs(file, now) {
  const lines = fs.readFileSync(file, "utf8").split("\n").filter(Boolean);
  lines.forEach((line, i) => {
    const { word, why } = run(parse(JSON.parse(line), now));
    console.log(JSON.stringify({ name: String(i), verdict: word, exit_code: CODES[word], why: why.join("; ") }));
  });
  return 0;
}

function main(args) {
  let given;
  try {
    given = parse(args);
    const hasTrust = (given.key === undefined) !== (given.trust === undefined);
    const needsTrust = given.suite === undefined && given.runs === undefined;
    if (needsTrust && (!hasTrust || (given.bundle ?? given.batch) === undefined)) throw new RangeError("BUNDLE and --key or --trust");
  } catch (error) {
    console.error(`verify.mjs: ${error.message}; see the first lines of the file`);
    return 2; // never a verdict (10)
  }
  if (given.suite !== undefined) return suite(given.suite, (more) => run({ now: given.now, earlier: [], ...more }));
  if (given.runs !== undefined) return runs(given.runs, given.now);
  if (given.batch !== undefined) return batch({ ...given, earlier: [] });
  const { word, why } = run(given);
  for (const line of why) console.log(JSON.stringify(line));
  console.log(`VERDICT ${word} ${CODES[word]}`);
  return CODES[word];
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fs.realpathSync(new URL(import.meta.url).pathname)) {
  process.exitCode = main(process.argv.slice(2));
}
