// An independent verifier of evidence bundles, written from docs/format.md alone: Node's own crypto, no dependency.
//
//   node verify.mjs BUNDLE --key PEM [--key PEM …]
//   node verify.mjs --batch FOLDER --key PEM …      one line of JSON for each file of the folder, by name
//
// What it does not do: recompute verdicts from answers (section 7), check the content of every section against section 5
// beyond what ties sections together, trust stores with validity and revocation (a --key stands for one person, any role),
// and local checkpoints (section 11).

import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { MANIFEST, OUTER, PROFILE, Refusal, bad, decode, encode } from "./msgpack.mjs";

const CODES = { VALID: 0, PARTIAL: 10, UNTRUSTED: 11, REPLAY: 14, ALTERED: 20, MALFORMED: 30, LIMIT: 31, UNSUPPORTED: 32 };
const ORDER = ["LIMIT", "MALFORMED", "UNSUPPORTED", "ALTERED", "UNTRUSTED", "REPLAY", "PARTIAL"];
const TYPE = "application/vnd.mpk-tui.bundle.v1+msgpack";
const ENDORSEMENT = "application/vnd.mpk-tui.endorsement.v1+msgpack";
const KINDS = ["concur", "dissent", "witness", "redaction", "receipt", "timestamp"];
const DAY = 24n * 3600n * 1000n;
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const ED25519_SPKI = Buffer.from("302a300506032b6570032100", "hex");

const sha = (...parts) => parts.reduce((h, p) => h.update(p), crypto.createHash("sha256")).digest();
const u64 = (n) => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(n));
  return out;
};
const tagged = (tag, ...parts) =>
  sha(Buffer.from(`MPKB1/${tag}\0`), ...parts.flatMap((p) => [u64(p.length), p]));
const pae = (type, payload) =>
  Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `), payload]);
const keyid = (raw) => sha(ED25519_SPKI, raw);

// -- shapes ------------------------------------------------------------------------------------------------------------

const is = {
  str: (v) => typeof v === "string",
  int: (v) => typeof v === "bigint",
  time: (v) => typeof v === "bigint" && v >= 0n && v <= 253402300799999n,
  bool: (v) => typeof v === "boolean",
  bin: (v) => Buffer.isBuffer(v),
  hash: (v) => Buffer.isBuffer(v) && v.length === 32,
  list: Array.isArray,
  map: (v) => v instanceof Map,
};
const must = (ok, what) => {
  if (!ok) throw bad(what);
};

/** Fields of a map: each must be there and fit; others are refused, or collected where the writer is newer. */
function fields(map, shape, where, unknown = null) {
  must(is.map(map), `${where} is no map`);
  for (const [name, fits] of Object.entries(shape)) must(map.has(name) && fits(map.get(name)), `${where}.${name}`);
  for (const name of map.keys()) {
    if (name in shape) continue;
    if (unknown === null) throw bad(`${where}.${name} is unknown`);
    unknown.push(name);
  }
  return map;
}

const limited = (n) => (v) => is.str(v) && Buffer.byteLength(v) <= n;
const nilOr = (fits) => (v) => v === null || fits(v);

// -- Ed25519, strictly -------------------------------------------------------------------------------------------------

const P = (1n << 255n) - 19n;
const L = (1n << 252n) + 27742317777372353535851937790883648493n;
const little = (b) => BigInt("0x" + Buffer.from(b).reverse().toString("hex"));
// y coordinates of points whose order divides 8, in every encoding below 2^255 (RFC 8032; the two last are of order 8).
const SMALL = new Set(
  [
    0n, 1n, P - 1n, P, P + 1n,
    2707385501144840649318225287225658788936804267575313519463743609750303021930n,
    55188659117513257062467267217118295137698188065244968500265048394206261417919n,
  ].map(String),
);

function sound(point) {
  const y = little(point) & ((1n << 255n) - 1n);
  return y < P && !SMALL.has(String(y));
}

function verifies(raw, message, sig) {
  if (sig.length !== 64 || raw.length !== 32 || !sound(raw) || !sound(sig.subarray(0, 32))) return false;
  if (little(sig.subarray(32)) >= L) return false;
  try {
    const key = crypto.createPublicKey({ key: Buffer.concat([ED25519_SPKI, raw]), format: "der", type: "spki" });
    return crypto.verify(null, message, key, sig);
  } catch {
    return false;
  }
}

// -- envelope ----------------------------------------------------------------------------------------------------------

function signatureRows(rows, where, word = "at least one") {
  must(is.list(rows), where);
  if (rows.length > 32) throw new Refusal("LIMIT", `${where}: more than 32`);
  must(rows.length > 0, `${where}: ${word}`);
  for (const row of rows) {
    must(is.list(row) && row.length === 2 && is.hash(row[0]) && is.bin(row[1]) && row[1].length > 0, where);
    must(row[1].length <= 8192, where);
  }
  for (let i = 1; i < rows.length; i++) must(Buffer.compare(rows[i - 1][0], rows[i][0]) < 0, `${where}: order`);
  return rows;
}

function envelope(data) {
  const head = Buffer.from("96a54d504b4231", "hex");
  if (!data.subarray(0, 7).equals(head)) {
    const digit = data.length >= 7 && data.subarray(0, 6).equals(head.subarray(0, 6)) && data[6] >= 48 && data[6] <= 57;
    if (digit) throw new Refusal("UNSUPPORTED", "another envelope");
    throw bad("no evidence bundle");
  }
  const outer = decode(data, OUTER);
  must(is.list(outer) && outer.length === 6, "the envelope is no array of six");
  const [, type, payload, signatures, endorsed, blobs] = outer;
  if (is.bin(payload) && payload.length > 1 << 20) throw new Refusal("LIMIT", "manifest over 1 MiB");
  must(is.str(type) && is.bin(payload) && payload.length > 0, "payload");
  must(is.list(signatures), "signatures");
  must(is.list(endorsed) && is.list(blobs), "endorsements and blobs");
  if (endorsed.length > 64) throw new Refusal("LIMIT", "more than 64 endorsements");
  for (const e of endorsed) must(is.list(e) && e.length === 2 && is.bin(e[0]) && e[0].length > 0, "endorsement");
  for (const b of blobs) {
    must(is.list(b) && b.length === 3 && is.str(b[0]) && is.bin(b[1]) && is.bin(b[2]), "blob");
    must(Buffer.byteLength(b[0]) <= 128, "blob id");
  }
  signatureRows(signatures, "signatures");
  for (const e of endorsed) signatureRows(e[1], "endorsement");
  for (let i = 1; i < blobs.length; i++) {
    must(Buffer.compare(Buffer.from(blobs[i - 1][0]), Buffer.from(blobs[i][0])) < 0, "blobs: order");
  }
  for (const b of blobs) must(b[1].length === 0 || b[1].length === 32, "salt");
  return { type, payload, signatures, endorsed, blobs };
}

// -- manifest ----------------------------------------------------------------------------------------------------------

// Family -> [kind, required, salted, redactable, per artifact] (section 5).
const FAMILIES = {
  artifacts: ["blob", true, false, false], norm: ["blob", true, false, false],
  checkpoint: ["blob", true, false, false, true], tensors: ["merkle", true, false, true, true],
  locations: ["blob", false, false, true, true], features: ["blob", false, false, true, true],
  findings: ["blob", true, false, true], evidence: ["blob", true, true, true], answers: ["blob", true, true, true],
  verdict: ["blob", true, true, true], log: ["chain", true, false, true], notes: ["blob", false, true, true],
  facts: ["blob", true, false, true, true], selftest: ["blob", false, false, false],
  docs: ["blob", false, false, true], doc: ["blob", false, false, true, false, true],
};

function signerShape(signer, where, unknown) {
  fields(signer, { id: limited(128), role: (v) => is.str(v) && /^[a-z][a-z0-9-]{0,31}$/.test(v), keys: is.list }, where, unknown);
  for (const key of signer.get("keys")) fields(key, { alg: is.str, pub: is.bin }, `${where}.keys`, unknown);
  return signer;
}

function manifest(payload) {
  const m = decode(payload, MANIFEST);
  must(is.map(m), "the manifest is no map");
  const v = m.get("v");
  must(is.list(v) && v.length === 2 && v.every(is.int), "v");
  if (v[0] !== 1n) throw new Refusal("UNSUPPORTED", "major version");
  must(v[1] >= 0n, "v");
  const unknown = v[1] > 0n ? [] : null;
  fields(
    m,
    {
      v: is.list, suite: is.str, case: is.map, seq: (x) => is.int(x) && x >= 0n, prev: nilOr(is.hash),
      created: is.time, tool: is.map, signers: is.list, sections: is.list, crit: is.list,
    },
    "manifest", unknown,
  );
  for (const name of m.get("crit")) must(is.str(name), "crit");
  if (unknown !== null && m.get("crit").some((name) => unknown.includes(name))) {
    throw new Refusal("UNSUPPORTED", "a critical field");
  }
  const strings = Object.fromEntries(
    ["exhibit", "root_exhibit", "title", "authority", "purpose"].map((k) => [k, limited(1024)]),
  );
  fields(m.get("case"), { id: (x) => limited(128)(x) && x.length > 0, ...strings }, "case", unknown);
  fields(
    m.get("tool"),
    {
      name: is.str, version: is.str, code_sha256: is.hash, python: is.str, libs: is.map, os: is.str,
      host_label: is.str, argv_sha256: nilOr(is.hash),
    },
    "tool", unknown,
  );
  must((m.get("prev") === null) === (m.get("seq") === 0n), "prev is nil exactly when seq is 0");
  const ids = new Set();
  const keys = new Set();
  must(m.get("signers").length > 0, "no signers");
  for (const signer of m.get("signers")) {
    signerShape(signer, "signers", unknown);
    must(!ids.has(signer.get("id")), "a signer twice");
    ids.add(signer.get("id"));
    for (const key of signer.get("keys")) {
      const hex = key.get("pub").toString("hex");
      must(!keys.has(hex), "a key twice");
      keys.add(hex);
    }
  }
  const suite = m.get("suite");
  if (suite !== "s1" && suite !== "s2") throw new Refusal("UNSUPPORTED", "suite");
  const wanted = suite === "s1" ? [["ed25519", 32]] : [["ed25519", 32], ["ml-dsa-65", 1952]];
  for (const signer of m.get("signers")) {
    const given = signer.get("keys").map((k) => [k.get("alg"), k.get("pub").length]);
    must(JSON.stringify(given) === JSON.stringify(wanted), "keys of another suite");
  }
  listed(m, unknown);
  if (suite === "s2") throw new Refusal("UNSUPPORTED", "suite s2");
  return m;
}

function listed(m, unknown) {
  const sections = m.get("sections");
  must(sections.length > 0, "no sections");
  let before = null;
  for (const s of sections) {
    fields(
      s,
      {
        id: (v) => is.str(v) && /^[a-z]+(\.[A-Za-z0-9][A-Za-z0-9_.-]{0,62})?$/.test(v),
        kind: (v) => ["blob", "merkle", "chain"].includes(v), type: is.str, size: (v) => is.int(v) && v >= 0n,
        count: (v) => is.int(v) && v >= 0n, digest: is.hash, salted: is.bool, redactable: is.bool,
      },
      "sections", unknown,
    );
    const id = s.get("id");
    must(before === null || Buffer.compare(Buffer.from(before), Buffer.from(id)) < 0, "sections: order");
    before = id;
    const [family, suffix] = split(id);
    const known = FAMILIES[family];
    if (known === undefined) {
      must(unknown !== null, "an unknown section");
      continue;
    }
    must(s.get("type") === `${family}/1`, "type of a section");
    must(Boolean(known[4] || known[5]) === (suffix !== null), "suffix of a section");
    if (known[4]) must(ID.test(suffix), "artifact id");
    must([s.get("kind"), s.get("salted"), s.get("redactable")].join() === [known[0], known[2], known[3]].join(), "marks of a section");
    must(known[0] !== "blob" || s.get("count") === 0n, "count of a blob");
  }
  const names = new Set(sections.map((s) => s.get("id")));
  for (const [family, [, required, , , per]] of Object.entries(FAMILIES)) {
    if (required && !per) must(names.has(family), `no section ${family}`);
  }
}

const split = (id) => {
  const dot = id.indexOf(".");
  return dot < 0 ? [id, null] : [id.slice(0, dot), id.slice(dot + 1)];
};

// -- sections ----------------------------------------------------------------------------------------------------------

function root(leaves) {
  if (leaves.length === 0) return sha();
  if (leaves.length === 1) return leaves[0];
  let cut = 1;
  while (cut * 2 < leaves.length) cut *= 2;
  return sha(Buffer.from([1]), root(leaves.slice(0, cut)), root(leaves.slice(cut)));
}

/** Digest, items and how many are withheld. */
function items(kind, data) {
  const spans = [];
  const values = decode(data, PROFILE, spans);
  must(is.list(values), "no array of items");
  const hidden = new Set();
  const hashes = values.map((value, i) => {
    if (is.list(value) && value.length === 1) {
      must(is.hash(value[0]), "a withheld item is one hash");
      hidden.add(i);
      return value[0];
    }
    return kind === "merkle" ? sha(Buffer.from([0]), spans[i]) : sha(spans[i]);
  });
  const digest =
    kind === "merkle" ? root(hashes) : hashes.reduce((h, entry) => tagged("log", h, entry), tagged("log-genesis"));
  return { values, withheld: hidden.size, hidden, digest };
}

function readSection(entry, blob) {
  const [, salt, data] = blob;
  if (salt.length > 0 !== entry.get("salted")) return { fault: "salt" };
  if (entry.get("kind") === "blob") {
    const digest = salt.length ? tagged("sec", Buffer.from(entry.get("id")), salt, data) : sha(data);
    if (BigInt(data.length) !== entry.get("size") || !digest.equals(entry.get("digest"))) return { fault: "bytes" };
    return { withheld: 0, data };
  }
  const found = items(entry.get("kind"), data);
  if (BigInt(found.values.length) !== entry.get("count")) return { fault: "count" };
  if (!found.withheld && BigInt(data.length) !== entry.get("size")) return { fault: "size" };
  if (!found.digest.equals(entry.get("digest"))) return { fault: "items" };
  return found;
}

function checkLog(values, seq) {
  must(values.length > 0, "an empty log");
  values.forEach((e, i) => {
    if (is.list(e)) return;
    must(is.map(e) && e.get("seq") === BigInt(i), "numbers of the log");
    must(is.time(e.get("at")) && is.str(e.get("act")) && is.map(e.get("params")), "log entry");
  });
  const last = values[values.length - 1];
  if (is.map(last)) must(last.get("act") === "export" && last.get("params").get("seq") === seq, "no export at the end");
}

function crossReferences(m, content) {
  const ids = new Set(content.get("artifacts").map((a) => a.get("id")));
  const sections = new Map(m.get("sections").map((s) => [s.get("id"), s]));
  for (const id of sections.keys()) {
    const [family, suffix] = split(id);
    if (FAMILIES[family]?.[4]) must(ids.has(suffix), "a section of no artifact");
  }
  for (const id of ids) {
    for (const name of ["checkpoint", "tensors", "facts"]) {
      must(sections.has(`${name}.${id}`), "an artifact without its sections");
    }
    const located = content.get(`locations.${id}`);
    if (located === undefined) continue;
    const rows = located.get("rows");
    must(BigInt(rows.length) === sections.get(`tensors.${id}`).get("count"), "rows of locations");
    const files = content.get(`checkpoint.${id}`).get("files").length;
    for (const row of rows) must(row[0] < BigInt(files), "a file that is not listed");
  }
  const docs = new Map((content.get("docs") ?? []).map((d) => [d.get("id"), d]));
  const open = !sections.has("docs") || content.has("docs");
  for (const id of sections.keys()) if (split(id)[0] === "doc" && open) must(docs.has(id), "not in the index");
  for (const [id, row] of docs) {
    const s = sections.get(id);
    must(s !== undefined && s.get("digest").equals(row.get("sha256")) && s.get("size") === row.get("size"), "index of documents");
  }
}

// -- endorsements ------------------------------------------------------------------------------------------------------

const VERDICTS = {
  VALID: 0n, PARTIAL: 10n, UNTRUSTED: 11n, EXPIRED: 12n, REVOKED: 13n, REPLAY: 14n, ALTERED: 20n, MISMATCH: 21n,
  INCONSISTENT: 22n, MALFORMED: 30n, LIMIT: 31n, UNSUPPORTED: 32n, INTERNAL: 40n,
};

/** What the data of an endorsement name: sections and items that were taken out, sections that were reviewed. */
function said(kind, data, unknown) {
  const size = (v) => Buffer.byteLength(v);
  const ids = (v) => {
    if (is.list(v) && v.length > 4096) throw new Refusal("LIMIT", "too many ids");
    return is.list(v) && v.every((n) => is.str(n) && size(n) >= 1 && size(n) <= 128);
  };
  const pairs = (v) => {
    if (is.list(v) && v.length > 4096) throw new Refusal("LIMIT", "too many items");
    return is.list(v) && v.every((p) => is.list(p) && p.length === 2 && ids([p[0]]) && is.int(p[1]) && p[1] >= 0n && p[1] <= 1n << 20n);
  };
  const words = (v) => is.str(v) && size(v) <= 1024;
  const where = "endorsement.data";
  const maybe = (name, fits) => (data.has(name) ? { [name]: fits } : {});
  if (kind === "redaction") {
    fields(data, { ids, reason: words, authority: words, ...maybe("items", pairs) }, where, unknown);
    const items = data.get("items") ?? [];
    must(data.get("ids").length + items.length > 0, "a redaction of nothing");
    return { gone: data.get("ids"), items, reviewed: [] };
  }
  if (kind === "receipt") {
    fields(
      data,
      { verdict: (v) => is.str(v) && v in VERDICTS, code: is.int, file_sha256: is.hash, at: is.time,
        verifier: (v) => is.str(v) && size(v) >= 1 && size(v) <= 128 },
      where, unknown,
    );
    must(data.get("code") === VERDICTS[data.get("verdict")], "code of a receipt");
  } else if (kind === "timestamp") {
    fields(data, { token: (v) => is.bin(v) && v.length >= 1 && v.length <= 65536 }, where, unknown);
  } else {
    fields(data, { ...maybe("reviewed", ids) }, where, unknown);
    return { gone: [], items: [], reviewed: data.get("reviewed") ?? [] };
  }
  return { gone: [], items: [], reviewed: [] };
}

function endorsements(sealed, id, m, trusted, here) {
  const faults = [];
  const declared = new Set(m.get("signers").flatMap((s) => s.get("keys").map((k) => keyid(k.get("pub")).toString("hex"))));
  const sigs = sha(encode(sealed.signatures));
  for (const [body, rows] of sealed.endorsed) {
    const e = decode(body, MANIFEST);
    const v = is.map(e) ? e.get("v") : undefined;
    if (is.list(v) && v.length === 2 && v.every(is.int) && v[0] !== 1n) throw new Refusal("UNSUPPORTED", "endorsement");
    const unknown = is.list(v) && v.length === 2 && v.every(is.int) && v[1] > 0n ? [] : null;
    fields(
      e,
      { v: is.list, kind: is.str, target: is.hash, sigs: is.hash, at: is.time, signer: is.map, statement: is.str, data: is.map },
      "endorsement", unknown,
    );
    signerShape(e.get("signer"), "endorsement.signer", unknown);
    must(KINDS.includes(e.get("kind")), "kind of an endorsement");
    const given = e.get("signer").get("keys").map((k) => [k.get("alg"), k.get("pub").length]);
    must(JSON.stringify(given) === JSON.stringify([["ed25519", 32]]), "keys of an endorsement");
    const { gone, items, reviewed } = said(e.get("kind"), e.get("data"), unknown);
    if (!e.get("target").equals(id) || !e.get("sigs").equals(sigs)) {
      faults.push("an endorsement of something else");
      continue;
    }
    for (const name of [...gone, ...reviewed]) must(here.entries.has(name), "an endorsement of a section that is not listed");
    for (const [name, i] of items) {
      const entry = here.entries.get(name);
      must(entry !== undefined && entry.get("kind") !== "blob" && i < entry.get("count"), "an item that is not there");
    }
    const named = e.get("signer").get("keys").map((k) => keyid(k.get("pub")).toString("hex"));
    const known = [...named, ...rows.map((r) => r[0].toString("hex"))].some((k) => trusted.has(k) || declared.has(k));
    const good = e.get("signer").get("keys").every((k) => {
      const row = rows.find((r) => r[0].equals(keyid(k.get("pub"))));
      return row !== undefined && verifies(k.get("pub"), pae(ENDORSEMENT, body), row[1]);
    });
    if (!good && known) faults.push("a bad endorsement");
    if (gone.some((name) => here.whole.has(name))) faults.push("a redaction of what is here");
    if (items.some(([name, i]) => here.whole.has(name) || here.parts.get(name)?.has(Number(i)) === false)) {
      faults.push("a redaction of an item that is here");
    }
  }
  return faults;
}

// -- verification ------------------------------------------------------------------------------------------------------

function steps(data, trusted, now, found) {
  const sealed = envelope(data);
  if (sealed.type !== TYPE) throw new Refusal("UNSUPPORTED", "payload type");
  const m = manifest(sealed.payload);
  const message = pae(sealed.type, sealed.payload);
  const given = new Map(sealed.signatures.map(([id, sig]) => [id.toString("hex"), sig]));
  for (const signer of m.get("signers")) {
    for (const key of signer.get("keys")) {
      const sig = given.get(keyid(key.get("pub")).toString("hex"));
      if (sig === undefined || !verifies(key.get("pub"), message, sig)) found.push(["ALTERED", "signature"]);
      given.delete(keyid(key.get("pub")).toString("hex"));
    }
  }
  for (const [id, sig] of given) {
    if (trusted.has(id) && !verifies(trusted.get(id), message, sig)) found.push(["ALTERED", "signature of a trusted key"]);
  }
  if (found.length) return;
  const blobs = new Map(sealed.blobs.map((b) => [b[0], b]));
  const entries = new Map(m.get("sections").map((s) => [s.get("id"), s]));
  for (const id of blobs.keys()) if (!entries.has(id)) found.push(["ALTERED", "an unlisted blob"]);
  const content = new Map();
  const whole = new Set();
  const parts = new Map();
  for (const [id, entry] of entries) {
    if (!blobs.has(id)) {
      found.push([entry.get("redactable") ? "PARTIAL" : "ALTERED", `no ${id}`]);
      continue;
    }
    const read = readSection(entry, blobs.get(id));
    if (read.fault) {
      found.push(["ALTERED", `${id}: ${read.fault}`]);
      continue;
    }
    const family = split(id)[0];
    if (FAMILIES[family] === undefined) {
      whole.add(id);
      continue;
    }
    if (read.withheld) found.push(["PARTIAL", id]);
    else whole.add(id);
    if (read.withheld) parts.set(id, read.hidden);
    if (family === "doc") continue;
    content.set(id, entry.get("kind") === "blob" ? decode(read.data, PROFILE) : read.values);
  }
  if (found.some(([word]) => word === "ALTERED")) return;
  crossReferences(m, content);
  if (content.has("log")) checkLog(content.get("log"), m.get("seq"));
  if (content.get("norm").get("version") !== "1.0.0" || content.get("norm").get("digest").equals(Buffer.alloc(32))) {
    throw new Refusal("UNSUPPORTED", "norm");
  }
  found.push(...endorsements(sealed, sha(message), m, trusted, { whole, parts, entries }).map((what) => ["ALTERED", what]));
  const known = m.get("signers").some((s) => s.get("keys").every((k) => trusted.has(keyid(k.get("pub")).toString("hex"))));
  if (!known) found.push(["UNTRUSTED", "nobody of the signers is trusted"]);
  if (m.get("created") > now + DAY) found.push(["REPLAY", "dated ahead"]);
}

export function verify(data, trusted, now = BigInt(Date.now())) {
  const found = [];
  try {
    steps(data, trusted, now, found);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { verdict: error.word, exit_code: CODES[error.word], why: error.message };
  }
  const word = ORDER.find((w) => found.some(([x]) => x === w)) ?? "VALID";
  return { verdict: word, exit_code: CODES[word], why: found.filter(([x]) => x === word).map(([, t]) => t).join("; ") };
}

function main(args) {
  const trusted = new Map();
  const rest = [];
  let batch = null;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--key") {
      const der = crypto.createPublicKey(fs.readFileSync(args[++i])).export({ format: "der", type: "spki" });
      const raw = der.subarray(ED25519_SPKI.length);
      trusted.set(keyid(raw).toString("hex"), raw);
    } else if (args[i] === "--batch") batch = args[++i];
    else rest.push(args[i]);
  }
  if (batch !== null) {
    for (const name of fs.readdirSync(batch).sort()) {
      const { verdict, exit_code, why } = verify(fs.readFileSync(path.join(batch, name)), trusted);
      console.log(JSON.stringify({ name, verdict, exit_code, why }));
    }
    return 0;
  }
  const outcome = verify(fs.readFileSync(rest[0]), trusted);
  console.log(`${outcome.why}\nVERDICT ${outcome.verdict} ${outcome.exit_code}`);
  return outcome.exit_code;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fs.realpathSync(new URL(import.meta.url).pathname)) {
  process.exitCode = main(process.argv.slice(2));
}
