// ML-DSA-65, verification only, written from FIPS 204 (2024): Node's own SHAKE, no dependency.  Node 20 has no ML-DSA.
//
//   node mldsa.mjs CASES                one line, true or false, for each [public key, message, signature, context] of
//                                       a JSON array of arrays of hexadecimal strings; the context may be left out
//   node mldsa.mjs --commitment CASES   the commitment hash that each signature would have to carry, or null
//
// Numbers of algorithms are those of FIPS 204.  Nothing here is secret, so nothing runs in constant time.

import crypto from "node:crypto";
import fs from "node:fs";

// Parameter set ML-DSA-65 (FIPS 204, tables 1 and 2).
const Q = 8380417;
const N = 256;
const D = 13; // bits dropped from t
const TAU = 49; // coefficients of c that are +1 or -1
const C_BYTES = 48; // lambda / 4
const GAMMA1 = 2 ** 19;
const GAMMA2 = (Q - 1) / 32;
const K = 6;
const L = 5;
const BETA = TAU * 4; // tau times eta
const OMEGA = 55; // ones in the hint, at most
const T1_BYTES = (N * 10) / 8; // t1 has bitlen(q - 1) - d = 10 bits
const Z_BYTES = (N * 20) / 8; // z has 1 + bitlen(gamma1 - 1) = 20 bits
export const PUBLIC_BYTES = 32 + K * T1_BYTES;
export const SIGNATURE_BYTES = C_BYTES + L * Z_BYTES + OMEGA + K;

const shake = (name, length, ...parts) =>
  parts.reduce((h, part) => h.update(part), crypto.createHash(name, { outputLength: length })).digest();
const H = (length, ...parts) => shake("shake256", length, ...parts);

/** Product modulo q of two numbers in [0, q): below 2^46, so exact in a double. */
const times = (a, b) => (a * b) % Q;

// -- number theoretic transform ----------------------------------------------------------------------------------------

/** Algorithm 43: the eight bits of m in reverse. */
function bitRev8(m) {
  let out = 0;
  for (let i = 0; i < 8; i++) out = (out << 1) | ((m >> i) & 1);
  return out;
}

/** zeta^BitRev8(m) mod q for zeta = 1753 (appendix B). */
const ZETAS = (() => {
  const powers = [1];
  for (let i = 1; i < N; i++) powers.push(times(powers[i - 1], 1753));
  return Int32Array.from(powers, (_, m) => powers[bitRev8(m)]);
})();

/** Algorithm 41, in place; coefficients in [0, q) before and after. */
function ntt(w) {
  let m = 0;
  for (let len = 128; len >= 1; len >>= 1) {
    for (let start = 0; start < N; start += 2 * len) {
      const z = ZETAS[++m];
      for (let j = start; j < start + len; j++) {
        const t = times(z, w[j + len]);
        const low = w[j] - t;
        const high = w[j] + t;
        w[j + len] = low < 0 ? low + Q : low;
        w[j] = high >= Q ? high - Q : high;
      }
    }
  }
  return w;
}

/** Algorithm 42, in place; coefficients in [0, q) before and after. */
function inverseNtt(w) {
  let m = N;
  for (let len = 1; len < N; len <<= 1) {
    for (let start = 0; start < N; start += 2 * len) {
      const z = Q - ZETAS[--m];
      for (let j = start; j < start + len; j++) {
        const sum = w[j] + w[j + len];
        const difference = w[j] - w[j + len];
        w[j] = sum >= Q ? sum - Q : sum;
        w[j + len] = times(z, difference < 0 ? difference + Q : difference);
      }
    }
  }
  for (let j = 0; j < N; j++) w[j] = times(w[j], 8347681); // 256^-1 mod q
  return w;
}

// -- encodings ---------------------------------------------------------------------------------------------------------

/** Algorithm 18 for polynomials of `width` bits: little-endian bits, coefficient after coefficient. */
function bitUnpack(bytes, width) {
  const out = new Int32Array(N);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < N; i++) {
    for (; bits < width; bits += 8) held |= bytes[at++] << bits; // at most 19 + 8 bits: fits an int32
    out[i] = held & ((1 << width) - 1);
    held >>>= width;
    bits -= width;
  }
  return out;
}

/** Algorithm 16 for four bits: two coefficients a byte. */
function packNibbles(w) {
  const out = Buffer.alloc(N / 2);
  for (let i = 0; i < N / 2; i++) out[i] = w[2 * i] | (w[2 * i + 1] << 4);
  return out;
}

/** Algorithm 23: rho and t1. */
function pkDecode(pk) {
  const t1 = [];
  for (let i = 0; i < K; i++) t1.push(bitUnpack(pk.subarray(32 + i * T1_BYTES, 32 + (i + 1) * T1_BYTES), 10));
  return { rho: pk.subarray(0, 32), t1 };
}

/** Algorithm 21: the hint, one array of 0 and 1 for each row, or null where the encoding is not the only one. */
function hintBitUnpack(y) {
  const h = [];
  let index = 0;
  for (let i = 0; i < K; i++) {
    const row = new Uint8Array(N);
    const end = y[OMEGA + i];
    if (end < index || end > OMEGA) return null;
    const first = index;
    for (; index < end; index++) {
      if (index > first && y[index - 1] >= y[index]) return null;
      row[y[index]] = 1;
    }
    h.push(row);
  }
  for (; index < OMEGA; index++) if (y[index] !== 0) return null;
  return h;
}

/** Algorithm 27: the commitment hash, z with coefficients in (-gamma1, gamma1] (algorithm 19), and the hint or null. */
function sigDecode(sig) {
  const z = [];
  for (let i = 0; i < L; i++) {
    const from = C_BYTES + i * Z_BYTES;
    z.push(bitUnpack(sig.subarray(from, from + Z_BYTES), 20).map((v) => GAMMA1 - v));
  }
  return { c: sig.subarray(0, C_BYTES), z, h: hintBitUnpack(sig.subarray(C_BYTES + L * Z_BYTES)) };
}

// -- sampling ----------------------------------------------------------------------------------------------------------

/** Algorithm 29: a polynomial with TAU coefficients +1 or -1, here 1 or q - 1. */
function sampleInBall(seed) {
  // A byte is refused with a probability below 0.19, so some 8 + 60 bytes are used; should 272 not do, take more.
  for (let length = 272; ; length *= 2) {
    const stream = H(length, seed);
    const c = new Int32Array(N);
    let at = 8;
    let i = N - TAU;
    for (; i < N && at < length; at++) {
      const j = stream[at];
      if (j > i) continue;
      const bit = i + TAU - N;
      c[i] = c[j];
      c[j] = (stream[bit >> 3] >> (bit & 7)) & 1 ? Q - 1 : 1;
      i++;
    }
    if (i === N) return c;
  }
}

/** Algorithm 30, with algorithm 14 inside: a uniform polynomial in the domain of the transform. */
function rejNttPoly(seed) {
  // Three bytes are refused with a probability of 0.001; 280 candidates nearly always hold 256.  If not, take more.
  for (let length = 840; ; length *= 2) {
    const stream = shake("shake128", length, seed);
    const out = new Int32Array(N);
    let j = 0;
    for (let at = 0; j < N && at + 3 <= length; at += 3) {
      const value = stream[at] | (stream[at + 1] << 8) | ((stream[at + 2] & 0x7f) << 16);
      if (value < Q) out[j++] = value;
    }
    if (j === N) return out;
  }
}

/** One entry of algorithm 32: row r and column s of the matrix A. */
const expandA = (rho, r, s) => rejNttPoly(Buffer.concat([rho, Buffer.from([s, r])]));

// -- rounding ----------------------------------------------------------------------------------------------------------

/** Algorithm 40, with algorithm 36 inside: the high bits of r in [0, q), corrected by a hint; a number in [0, 16). */
function useHint(hint, r) {
  const m = (Q - 1) / (2 * GAMMA2);
  let low = r % (2 * GAMMA2);
  if (low > GAMMA2) low -= 2 * GAMMA2;
  let high;
  if (r - low === Q - 1) {
    high = 0;
    low -= 1;
  } else high = (r - low) / (2 * GAMMA2);
  if (!hint) return high;
  return (low > 0 ? high + 1 : high + m - 1) % m;
}

// -- verification ------------------------------------------------------------------------------------------------------

/** Row r of NTT^-1(A z - c t1 2^d), line 9 of algorithm 8; z and c are transformed already. */
function approximateRow(rho, r, z, c, t1) {
  const sum = new Float64Array(N);
  for (let s = 0; s < L; s++) {
    const a = expandA(rho, r, s);
    for (let i = 0; i < N; i++) sum[i] += a[i] * z[s][i]; // six products below 2^46 in all: exact in a double
  }
  const t = ntt(t1.map((v) => v << D)); // at most 1023 * 2^13 = q - 1
  for (let i = 0; i < N; i++) sum[i] += c[i] * (t[i] === 0 ? 0 : Q - t[i]);
  return inverseNtt(Int32Array.from(sum, (v) => v % Q));
}

const lengthsFit = (publicKey, signature, context) =>
  publicKey.length === PUBLIC_BYTES && signature.length === SIGNATURE_BYTES && context.length <= 255;

/**
 * Lines 6 to 12 of algorithm 8: the commitment hash that a signature would have to carry, from its z and hint, or null
 * where the hint or a length is not as it must be.  The norm of z is not looked at.
 */
export function commitment(publicKey, message, signature, context = Buffer.alloc(0)) {
  if (!lengthsFit(publicKey, signature, context)) return null;
  const { rho, t1 } = pkDecode(publicKey);
  const { c, z, h } = sigDecode(signature);
  if (h === null) return null;
  const mu = H(64, H(64, publicKey), Buffer.from([0, context.length]), context, message);
  const zHat = z.map((row) => ntt(row.map((v) => (v < 0 ? v + Q : v))));
  const cHat = ntt(sampleInBall(c));
  const w1 = t1.map((row, r) => {
    const approximate = approximateRow(rho, r, zHat, cHat, row);
    return packNibbles(approximate.map((v, i) => useHint(h[r][i], v))); // a row of algorithm 28
  });
  return H(C_BYTES, mu, ...w1);
}

/**
 * Algorithms 3 and 8: whether a signature is one of this message under this key.  Keys and signatures of another length
 * and contexts of more than 255 bytes do not verify.
 */
export function verifies(publicKey, message, signature, context = Buffer.alloc(0)) {
  if (!lengthsFit(publicKey, signature, context)) return false;
  const { c, z } = sigDecode(signature);
  if (z.some((row) => row.some((v) => Math.abs(v) >= GAMMA1 - BETA))) return false;
  const expected = commitment(publicKey, message, signature, context);
  return expected !== null && expected.equals(c);
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fs.realpathSync(new URL(import.meta.url).pathname)) {
  const [answer, file] = process.argv[2] === "--commitment" ? [commitment, process.argv[3]] : [verifies, process.argv[2]];
  for (const row of JSON.parse(fs.readFileSync(file, "utf8"))) {
    const given = answer(...row.map((hex) => Buffer.from(hex, "hex")));
    console.log(Buffer.isBuffer(given) ? given.toString("hex") : String(given));
  }
}
