// Canonical msgpack (format.md, 1): one byte string for each value, refusals before anything is allocated.

/** Ends a verification with one of MALFORMED, LIMIT, UNSUPPORTED (format.md, 10); `word` says which. */
export class Refusal extends Error {
  constructor(word, what) {
    super(what);
    this.word = word;
  }
}

/** A Refusal with the word MALFORMED. */
export const bad = (what) => new Refusal("MALFORMED", what);
/** A Refusal with the word LIMIT. */
export const over = (what) => new Refusal("LIMIT", what);

const KEY = /^[a-z][a-z0-9_]{0,47}$/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const WIDE = {
  0xc4: ["b", 1], 0xc5: ["b", 2], 0xc6: ["b", 4], 0xcc: ["u", 1], 0xcd: ["u", 2], 0xce: ["u", 4], 0xcf: ["u", 8],
  0xd0: ["i", 1], 0xd1: ["i", 2], 0xd2: ["i", 4], 0xd3: ["i", 8], 0xd9: ["s", 1], 0xda: ["s", 2], 0xdb: ["s", 4],
  0xdc: ["a", 2], 0xdd: ["a", 4], 0xde: ["m", 2], 0xdf: ["m", 4],
};
const FLOOR = {
  b1: 0, b2: 1 << 8, b4: 1 << 16, s1: 32, s2: 1 << 8, s4: 1 << 16, a2: 16, a4: 1 << 16, m2: 16, m4: 1 << 16,
  u1: 1 << 7, u2: 1 << 8, u4: 1 << 16, u8: 2 ** 32, i1: -32, i2: -(1 << 7), i4: -(1 << 15), i8: -(2 ** 31),
};

export const PROFILE = { depth: 12, keys: 256, items: 1 << 20, str: 1 << 20, bin: 256 << 20, nodes: 8_000_000 };
export const OUTER = { depth: 6, keys: 256, items: 4096, str: 256, bin: 256 << 20, nodes: 40_000 };
export const MANIFEST = { depth: 12, keys: 256, items: 4096, str: 1 << 16, bin: 1 << 16, nodes: 200_000 };

/** A float64, told apart from an int (format.md, 1.6). */
export class Float {
  constructor(value) {
    this.value = value;
  }
}

/**
 * Decode one value.  Maps become Map, ints BigInt, floats Float, str string, bin Buffer.
 * Items of a top-level array keep the bytes they were read from in `spans`, if an array is given; `tally.left`, if a
 * tally is given, bounds the values (keys of maps among them) and is lowered by them.
 */
export function decode(data, limits = PROFILE, spans = null, tally = null) {
  let pos = 0;
  let nodes = 0;
  const most = tally === null ? limits.nodes : Math.min(limits.nodes, tally.left);
  const need = (n) => {
    if (data.length - pos < n) throw bad("cut short");
  };

  function value(depth) {
    need(1);
    if (++nodes > most) throw over("too many values");
    const first = data[pos++];
    if (first <= 0x7f) return BigInt(first);
    if (first >= 0xe0) return BigInt(first - 256);
    if (first === 0xc0) return null;
    if (first === 0xc2) return false;
    if (first === 0xc3) return true;
    if (first === 0xcb) {
      need(8);
      const number = data.readDoubleBE(pos);
      pos += 8;
      if (!Number.isFinite(number) || Object.is(number, -0)) throw bad("a float that has no canonical form");
      return new Float(number);
    }
    let kind, n;
    if (first <= 0x8f) [kind, n] = ["m", first & 15];
    else if (first <= 0x9f) [kind, n] = ["a", first & 15];
    else if (first <= 0xbf) [kind, n] = ["s", first & 31];
    else {
      const wide = WIDE[first];
      if (wide === undefined) throw bad("a type that is not allowed");
      const [k, width] = wide;
      need(width);
      if (k === "u" || k === "i") return whole(k, width);
      kind = k;
      n = data.readUIntBE(pos, width);
      pos += width;
      if (n < FLOOR[k + width]) throw bad("a length that has a shorter form");
    }
    if (kind === "s" || kind === "b") return bytes(kind, n);
    return container(kind, n, depth);
  }

  function whole(kind, width) {
    let n;
    if (width === 8) n = kind === "u" ? data.readBigUInt64BE(pos) : data.readBigInt64BE(pos);
    else n = BigInt(kind === "u" ? data.readUIntBE(pos, width) : data.readIntBE(pos, width));
    pos += width;
    const floor = BigInt(FLOOR[kind + width]);
    if (kind === "u" ? n < floor : n >= floor) throw bad("an integer that has a shorter form");
    if (n >= 1n << 63n) throw bad("an integer of 2**63 or more");
    return n;
  }

  function bytes(kind, n) {
    if (n > (kind === "s" ? limits.str : limits.bin)) throw over("a string that is too long");
    need(n);
    const part = data.subarray(pos, pos + n);
    pos += n;
    if (kind === "b") return part;
    try {
      return utf8.decode(part);
    } catch {
      throw bad("a string that is not UTF-8");
    }
  }

  function container(kind, n, depth) {
    // The caps come first, and an empty container opens nothing (format.md, 1, "Which word").
    if (n > (kind === "a" ? limits.items : limits.keys)) throw over("too many items");
    if (n > 0 && depth >= limits.depth) throw over("nested too deep");
    if (n > (data.length - pos) / (kind === "m" ? 2 : 1)) throw bad("more items than bytes");
    if (kind === "a") {
      const out = [];
      for (let i = 0; i < n; i++) {
        const start = pos;
        out.push(value(depth + 1));
        if (spans !== null && depth === 0) spans.push(data.subarray(start, pos));
      }
      return out;
    }
    const out = new Map();
    let before = "";
    for (let i = 0; i < n; i++) {
      const type = pos < data.length ? data[pos] : 0;
      if (!((type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb))) throw bad("a key that is no string");
      const key = value(depth + 1);
      if (!KEY.test(key)) throw bad("a key that is not allowed");
      if (i > 0 && key <= before) throw bad("keys that do not ascend");
      before = key;
      out.set(key, value(depth + 1));
    }
    return out;
  }

  const out = value(0);
  if (pos !== data.length) throw bad("bytes after the value");
  if (tally !== null) tally.left -= nodes;
  return out;
}

/** Canonical bytes of a decoded value: null, boolean, BigInt, Float, string, Buffer, Array, Map (format.md, 1). */
export function encode(value) {
  if (value === null) return Buffer.from([0xc0]);
  if (typeof value === "boolean") return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === "bigint") return integer(value);
  if (value instanceof Float) {
    const out = Buffer.alloc(9, 0xcb);
    out.writeDoubleBE(value.value, 1);
    return out;
  }
  if (typeof value === "string") {
    const text = Buffer.from(value);
    const forms = [[256, 0xd9, 1], [65536, 0xda, 2], [2 ** 32, 0xdb, 4]];
    return Buffer.concat([text.length < 32 ? Buffer.from([0xa0 | text.length]) : head(text.length, forms), text]);
  }
  if (Buffer.isBuffer(value)) {
    return Buffer.concat([head(value.length, [[256, 0xc4, 1], [65536, 0xc5, 2], [2 ** 32, 0xc6, 4]]), value]);
  }
  if (Array.isArray(value)) {
    const n = value.length;
    const start = n < 16 ? Buffer.from([0x90 | n]) : head(n, [[65536, 0xdc, 2], [2 ** 32, 0xdd, 4]]);
    return Buffer.concat([start, ...value.map(encode)]);
  }
  const n = value.size;
  const start = n < 16 ? Buffer.from([0x80 | n]) : head(n, [[65536, 0xde, 2], [2 ** 32, 0xdf, 4]]);
  const pairs = [...value].sort(([a], [b]) => (a < b ? -1 : 1)); // keys are ASCII (1.4)
  return Buffer.concat([start, ...pairs.flatMap(([k, v]) => [encode(k), encode(v)])]);
}

function integer(n) {
  if (n >= -32n && n <= 127n) return Buffer.from([Number(n) & 255]);
  const forms = n < 0n ? [[0xd0, 1], [0xd1, 2], [0xd2, 4]] : [[0xcc, 1], [0xcd, 2], [0xce, 4]];
  for (const [code, width] of forms) {
    const out = Buffer.alloc(1 + width, code);
    const top = 1n << BigInt(8 * width - (n < 0n ? 1 : 0));
    if (n < 0n ? n >= -top : n < top) {
      if (n < 0n) out.writeIntBE(Number(n), 1, width);
      else out.writeUIntBE(Number(n), 1, width);
      return out;
    }
  }
  const out = Buffer.alloc(9, n < 0n ? 0xd3 : 0xcf);
  if (n < 0n) out.writeBigInt64BE(n, 1);
  else out.writeBigUInt64BE(n, 1);
  return out;
}

function head(n, forms) {
  const [, code, width] = forms.find(([top]) => n < top);
  const out = Buffer.alloc(1 + width);
  out[0] = code;
  out.writeUIntBE(n, 1, width);
  return out;
}
