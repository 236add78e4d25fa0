// Trust (format.md, 9): single keys, signed stores, and who counts.

import { MIB, SUITES, TRUST, atLeast, byKey, fromSpki, isSuite, keyId, must, pae, readEnvelope, verifies } from "./envelope.mjs";
import { hasPrimeOrder } from "./ed25519.mjs";
import { MANIFEST, Refusal, decode, over } from "./msgpack.mjs";
import { critical, version } from "./manifest.mjs";
import { fit } from "./shapes.mjs";

const NAMES = ["v", "seq", "prev", "created", "expires", "root", "people", "policy", "crit"];
const ANY = "*";

const isPrime = ({ alg, pub }) => alg !== "ed25519" || hasPrimeOrder(pub);

/** A store as the decision uses it: keys by id, each with the person that it belongs to. */
function storeOf(people, policy, expires = null) {
  const keys = new Map();
  for (const person of people) {
    for (const key of person.keys) {
      must(!keys.has(keyId(key)), "a key stands in the store twice");
      keys.set(keyId(key), { ...key, person });
    }
  }
  return { keys, policy, expires };
}

/**
 * A store of one person with one key, or both halves of an identity, which counts for any role and has no end.
 * @param {string[]} texts PEM files with one public key each, Ed25519 first
 * @throws {Refusal} for anything else; the verdict is then INTERNAL
 */
export function storeOfKeys(texts) {
  const keys = texts.map(keyOf);
  must(keys.length === 1 || isSuite(keys, "s2"), "no ML-DSA-65 half");
  const limits = { not_before: null, not_after: null, revoked: null };
  const person = { id: "key", roles: [ANY], keys: keys.map((key) => ({ ...key, ...limits })), min_suite: "s1" };
  return storeOf([person], { needed: [[ANY, 1n]], min_suite: "s1" });
}

function keyOf(text) {
  const blocks = text.match(/-----BEGIN [^-]+-----/g) ?? [];
  const found = /-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/.exec(text);
  must(blocks.length === 1 && found !== null, "no PEM file of one public key");
  const base64 = found[1].replace(/\s/g, "");
  const der = Buffer.from(base64, "base64");
  must(der.toString("base64") === base64, "no canonical base64");
  const key = fromSpki(der);
  must(key !== null && isPrime(key), "no key of a suite, or not of prime order");
  return key;
}

function ascending(list) {
  must(list.every((item, i) => i === 0 || Buffer.compare(Buffer.from(list[i - 1]), Buffer.from(item)) < 0), "order");
}

/** A suite that this reader knows, else UNSUPPORTED (9.1). */
function known(suite) {
  if (!Object.hasOwn(SUITES, suite)) throw new Refusal("UNSUPPORTED", `suite ${suite}`);
}

const rawKey = (map) => ({ alg: map.get("alg"), pub: map.get("pub") });
const hasLength = (key) => isSuite([key], "s1") || key.alg === "ml-dsa-65" && key.pub.length === 1952;

/** Holders of the root (9.1), each an array of its keys. */
function rootOf(map) {
  fit("trust-store-root", map, null); // no other field in any minor version
  const holders = map.get("keys").map((holder) => holder.map(rawKey));
  for (const keys of holders) must(isSuite(keys, "s1") || isSuite(keys, "s2"), "a holder's keys are those of no suite");
  const ids = holders.flat().map(keyId);
  must(new Set(ids).size === ids.length, "a key stands in the root twice");
  must(holders.flat().every(isPrime), "a root key is not of prime order");
  const threshold = map.get("threshold");
  must(threshold >= 1n && threshold <= BigInt(holders.length), "threshold");
  return { holders, threshold };
}

function personOf(map) {
  ascending(map.get("roles"));
  known(map.get("min_suite"));
  const keys = map.get("keys").map((k) => {
    const key = { ...rawKey(k), not_before: k.get("not_before"), not_after: k.get("not_after"), revoked: null };
    must(hasLength(key) && isPrime(key), "a person's key");
    must(key.not_before === null || key.not_after === null || key.not_before <= key.not_after, "not_before after not_after");
    const revoked = k.get("revoked");
    if (revoked !== null) key.revoked = { at: revoked.get("at"), reason: revoked.get("reason") };
    return key;
  });
  return { id: map.get("id"), roles: map.get("roles"), min_suite: map.get("min_suite"), keys };
}

/**
 * Read a signed store and hold it against its own root (9.1, 9.2).
 * @param {Buffer} data the file `trust.mpkt`
 * @throws {Refusal} whatever is wrong; the verdict is then INTERNAL
 */
export function readStore(data) {
  if (data.length > 2 * MIB) throw over("a store has at most 2 MiB");
  const { type, payload, signatures, endorsements, blobs } = readEnvelope(data);
  if (type !== TRUST) throw new Refusal("UNSUPPORTED", "payload type");
  must(endorsements.length === 0 && blobs.length === 0, "a store has no endorsements and no blobs");
  const map = decode(payload, MANIFEST);
  const unknown = version(map);
  fit("trust-store", map, unknown);
  critical(map, NAMES);
  must((map.get("prev") === null) === (map.get("seq") === 1n), "prev is nil exactly when seq is 1");
  must(map.get("expires") > map.get("created"), "expires");
  const root = rootOf(map.get("root"));
  ascending(map.get("people").map((p) => p.get("id")));
  const people = map.get("people").map(personOf);
  const policy = { needed: map.get("policy").get("needed"), min_suite: map.get("policy").get("min_suite") };
  known(policy.min_suite);
  ascending(policy.needed.map(([role]) => role));
  must(policy.needed.every(([, n]) => n >= 1n), "needed");
  const store = storeOf(people, policy, map.get("expires"));
  for (const key of root.holders.flat()) must(!store.keys.get(keyId(key))?.revoked, "a root key is revoked");
  const message = pae(type, payload);
  const given = byKey(signatures);
  const good = (key) => verifies(key, message, given.get(keyId(key)));
  for (const key of root.holders.flat()) must(!given.has(keyId(key)) || good(key), "a bad signature by a root key");
  const signed = root.holders.filter((keys) => keys.every((key) => given.has(keyId(key))));
  must(BigInt(signed.length) >= root.threshold, "too few holders have signed");
  return store;
}

/** The one person that all keys of a signer belong to, or null (9). */
function personBehind(store, keys) {
  const found = keys.map((key) => store.keys.get(keyId(key)));
  if (found.some((key) => key === undefined || key.person !== found[0].person)) return null;
  return found[0].person;
}

/** Whether a person counts in a role, under a suite (9). */
const counts = (person, role, suite) =>
  (person.roles.includes(ANY) || person.roles.includes(role)) && atLeast(suite, person.min_suite);

/**
 * The trusted person behind an endorsement, or null (9): the keys were good at its date, and have not ended since, for
 * then nothing independent shows when it was written.
 */
export function trustedEndorser(store, { role, keys, at }, suite, now) {
  const person = personBehind(store, keys);
  if (person === null || !counts(person, role, suite)) return null;
  const isGood = ({ revoked, not_before, not_after }) =>
    (revoked === null || (revoked.reason !== "compromised" && at < revoked.at)) &&
    (not_before === null || not_before <= at) && (not_after === null || (at <= not_after && now <= not_after));
  return keys.every((key) => isGood(store.keys.get(keyId(key)))) ? person : null;
}

/** Whether every slot, a role, can be given a person of its own: tried one after the other, moving who stands already (9). */
function isFilled(slots, counted) {
  const at = new Map();
  const place = (slot, tried) =>
    counted
      .filter((c) => c.role === slots[slot])
      .some(({ person }) => {
        if (tried.has(person)) return false;
        tried.add(person);
        if (at.has(person) && !place(at.get(person), tried)) return false;
        at.set(person, slot);
        return true;
      });
  return slots.every((_, slot) => place(slot, new Set()));
}

/**
 * Whom to trust (9).
 * @param {object} manifest what `readManifest` returned
 * @param {Array<{person: object, at: bigint}>} witnesses good endorsements by trusted persons
 * @param {bigint} now the verifier's clock, ms
 * @returns {Array<[string, string]>} words and reasons
 */
export function judge(store, manifest, witnesses, now) {
  const out = [];
  const created = manifest.map.get("created");
  const counted = [];
  for (const { id, role, keys } of manifest.signers) {
    const person = personBehind(store, keys);
    const before = (time) => witnesses.some((w) => w.person !== person && w.at < time);
    for (const key of keys.map((k) => store.keys.get(keyId(k))).filter(Boolean)) {
      if (key.revoked !== null) {
        const { at, reason } = key.revoked;
        if (!(reason === "compromised" ? before(at) : created < at)) out.push(["REVOKED", `${id}: ${reason}`]);
      }
      const { not_before: from, not_after: end } = key;
      if ((from !== null && created < from) || (end !== null && created > end)) out.push(["EXPIRED", `${id}: not valid`]);
      else if (end !== null && now > end && !before(end + 1n)) // both ends belong to the validity
        out.push(["EXPIRED", `${id}: ended since`]);
    }
    if (person !== null && counts(person, role, manifest.suite)) counted.push({ person, role });
  }
  const isMet = store.policy.needed.every(([role, n]) => {
    const people = new Set(counted.filter((c) => role === ANY || c.role === role).map((c) => c.person));
    return BigInt(people.size) >= n;
  });
  const slots = isMet ? store.policy.needed.flatMap(([role, n]) => (role === ANY ? [] : Array(Number(n)).fill(role))) : [];
  if (!isMet || !isFilled(slots, counted) || !atLeast(manifest.suite, store.policy.min_suite)) out.push(["UNTRUSTED", "the policy is not met"]);
  if (store.expires !== null && now > store.expires) out.push(["EXPIRED", "the trust store has expired"]);
  return out;
}
