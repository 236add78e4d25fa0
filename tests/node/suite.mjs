// Run a suite of frozen bundles: every folder below with an expect.json (format.md, 14).
//
// bundles/README.md says what the fields of expect.json and of checkpoint.json mean; paths are relative to the folder.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { CODES } from "./endorse.mjs";

/** A copy of the checkpoint in `work`, with what its JSON file adds; the bundle lies beside it, where links may lead. */
function laidOut(folder, name, work) {
  const target = path.join(work, name);
  fs.cpSync(path.join(folder, name), target, { recursive: true, verbatimSymlinks: true });
  fs.copyFileSync(path.join(folder, "bundle.mpkb"), path.join(work, "bundle.mpkb"));
  const more = path.join(folder, `${name}.json`);
  const said = fs.existsSync(more) ? JSON.parse(fs.readFileSync(more, "utf8")) : {};
  for (const [file, data] of Object.entries(said.files ?? {})) {
    const raw = file.startsWith("hex:") ? Buffer.from(file.slice(4), "hex") : Buffer.from(file);
    fs.mkdirSync(path.join(target, path.dirname(file.startsWith("hex:") ? "." : file)), { recursive: true });
    fs.writeFileSync(Buffer.concat([Buffer.from(`${target}/`), raw]), Buffer.from(data, "hex"));
  }
  for (const name of said.folders ?? []) fs.mkdirSync(path.join(target, name), { recursive: true });
  for (const [link, to] of Object.entries(said.links ?? {})) {
    fs.symlinkSync(to, path.join(target, link));
  }
  for (const [link, to] of Object.entries(said.hard_links ?? {})) fs.linkSync(path.join(target, to), path.join(target, link));
  return target;
}

/** Folders below `root` with an expect.json, by name. */
function cases(root) {
  return fs
    .readdirSync(root, { recursive: true })
    .filter((name) => path.basename(name) === "expect.json")
    .map((name) => path.dirname(name))
    .sort();
}

/**
 * Run a suite; one line of JSON for each folder on stdout, a summary on stderr.
 * @param {string} root
 * @param {(given: object) => {word: string, why: string[]}} run
 * @returns {number} 1 if any answer differs, else 0
 */
export function suite(root, run) {
  let differ = 0;
  const names = cases(root);
  for (const name of names) {
    const folder = path.join(root, name);
    const expected = JSON.parse(fs.readFileSync(path.join(folder, "expect.json"), "utf8"));
    const at = (file) => file && path.join(folder, file);
    const work = fs.mkdtempSync(path.join(os.tmpdir(), "suite-"));
    try {
      const { word, why } = run({
        bundle: at(expected.file ?? "bundle.mpkb"),
        [expected.trust.endsWith(".mpkt") ? "trust" : "key"]: at(expected.trust),
        expectCase: expected.expect_case,
        expectBundle: expected.expect_bundle,
        match: expected.match,
        earlier: (expected.earlier ?? []).map(at),
        attachments: at(expected.attachments),
        checkpoints: expected.checkpoint ? [laidOut(folder, expected.checkpoint, work)] : [],
      });
      const wanted = `${expected.verdict} ${expected.exit_code}`;
      if (`${word} ${CODES[word]}` !== wanted) differ++;
      console.log(JSON.stringify({ name, verdict: word, exit_code: CODES[word], expected: wanted, why: why.join("; ") }));
    } finally {
      fs.rmSync(work, { recursive: true, force: true });
    }
  }
  console.error(`${names.length} folders, ${differ} answers differ`);
  return differ > 0 || names.length === 0 ? 1 : 0;
}
