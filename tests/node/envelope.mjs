// Envelope, what is signed, key ids (format.md, 2) and the tagged hash (4).

import crypto from "node:crypto";
import { OUTER, Refusal, bad, decode, over } from "./msgpack.mjs";
import { verifies as ed25519 } from "./ed25519.mjs";
import { verifies as mldsa } from "./mldsa.mjs";
import { fit } from "./shapes.mjs";

export const BUNDLE = "application/vnd.mpk-tui.bundle.v1+msgpack";
export const ENDORSEMENT = "application/vnd.mpk-tui.endorsement.v1+msgpack";
export const TRUST = "application/vnd.mpk-tui.trust.v1+msgpack";
export const MIB = 1 << 20;
const HEAD = Buffer.from("96a54d504b4231", "hex");
const SPKI = {
  ed25519: Buffer.from("302a300506032b6570032100", "hex"),
  "ml-dsa-65": Buffer.from("308207b2300b0609608648016503040312038207a100", "hex"),
};
const PUBLIC_BYTES = { ed25519: 32, "ml-dsa-65": 1952 };

/** Suites, weakest first; the keys of each in their order (2). */
export const SUITES = { s1: ["ed25519"], s2: ["ed25519", "ml-dsa-65"] };
/** Whether one suite is at least as strong as another (9). */
export const atLeast = (suite, wanted) => Object.keys(SUITES).indexOf(suite) >= Object.keys(SUITES).indexOf(wanted);

/** SHA-256 of the parts, one after the other. */
export const sha = (...parts) => parts.reduce((h, p) => h.update(p), crypto.createHash("sha256")).digest();

/** Eight bytes, big-endian. */
const u64 = (n) => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(n));
  return out;
};

/** T(tag, parts…) of section 4. */
export const tagged = (tag, ...parts) => sha(Buffer.from(`MPKB1/${tag}\0`), ...parts.flatMap((p) => [u64(p.length), p]));

/** The message that is signed: DSSE's pre-authentication encoding (2). */
export const pae = (type, payload) =>
  Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `), payload]);

/** Hexadecimal key id of a key `{alg, pub}` (2). */
export const keyId = ({ alg, pub }) => sha(SPKI[alg], pub).toString("hex");

/** The key `{alg, pub}` of a DER SubjectPublicKeyInfo, or null. */
export function fromSpki(der) {
  for (const [alg, prefix] of Object.entries(SPKI)) {
    if (der.length === prefix.length + PUBLIC_BYTES[alg] && der.subarray(0, prefix.length).equals(prefix)) {
      return { alg, pub: der.subarray(prefix.length) };
    }
  }
  return null;
}

/** The algorithm is the key's, never the signature record's (2). */
export const verifies = ({ alg, pub }, message, signature) =>
  alg === "ed25519" ? ed25519(pub, message, signature) : mldsa(pub, message, signature);

/** Keys of a decoded signer as `{alg, pub}`. */
export const keysOf = (signer) => signer.get("keys").map((k) => ({ alg: k.get("alg"), pub: k.get("pub") }));

/** Whether keys are exactly those of a suite, in its order (2). */
export const isSuite = (keys, suite) =>
  keys.length === SUITES[suite].length &&
  keys.every(({ alg, pub }, i) => alg === SUITES[suite][i] && pub.length === PUBLIC_BYTES[alg]);

/** Throw MALFORMED unless `ok`. */
export const must = (ok, what) => {
  if (!ok) throw bad(what);
};

/** Signature records beyond their shape: at least one, strictly ascending by key id (2, item 3). */
export function orderedSignatures(rows) {
  must(rows.length > 0, "no signatures");
  rows.forEach(([id], i) => must(i === 0 || Buffer.compare(rows[i - 1][0], id) < 0, "signatures out of order"));
}

/** Signature records as a map from hexadecimal key id to signature. */
export const byKey = (rows) => new Map(rows.map(([id, signature]) => [id.toString("hex"), signature]));

/**
 * Take an envelope apart (2): caps, then the payload's size, then shapes in the order of the file.
 * @returns {{type: string, payload: Buffer, signatures: Array, endorsements: Array, blobs: Array}}
 * @throws {Refusal} LIMIT, MALFORMED, UNSUPPORTED
 */
export function readEnvelope(data) {
  if (data.length > 1024 * MIB) throw over("file_bytes");
  if (data.length < 7 || !data.subarray(0, 6).equals(HEAD.subarray(0, 6))) throw bad("no evidence bundle");
  if (data[6] !== HEAD[6]) {
    if (data[6] >= 0x30 && data[6] <= 0x39) throw new Refusal("UNSUPPORTED", "another envelope");
    throw bad("no evidence bundle");
  }
  const [, type, payload, signatures, endorsements, blobs] = decode(data, OUTER);
  if (Buffer.isBuffer(payload) && payload.length > MIB) throw over("manifest_bytes");
  // Shapes in the order of the file; an array with too many records and an endorsement over 1 MiB are LIMIT.
  must(typeof type === "string" && Buffer.isBuffer(payload) && payload.length > 0, "payload");
  fit("bundle-3", signatures);
  must(Array.isArray(endorsements), "endorsements");
  if (endorsements.length > 64) throw over("endorsements");
  for (const e of endorsements) {
    must(Array.isArray(e) && e.length === 2 && Buffer.isBuffer(e[0]) && e[0].length > 0, "an endorsement");
    if (e[0].length > MIB) throw over("endorsement_bytes");
    fit("bundle-4-item-1", e[1]);
  }
  fit("bundle-5", blobs);
  // Then order and what else a shape cannot say.
  orderedSignatures(signatures);
  for (const [, rows] of endorsements) orderedSignatures(rows);
  blobs.forEach(([id, salt], i) => {
    must(salt.length === 0 || salt.length === 32, "a salt of another length");
    must(i === 0 || Buffer.compare(Buffer.from(blobs[i - 1][0]), Buffer.from(id)) < 0, "blobs out of order");
  });
  return { type, payload, signatures, endorsements, blobs };
}
