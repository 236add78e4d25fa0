// Attachments that travel beside the bundle (format.md, 8.3).

import { split } from "./manifest.mjs";
import { walk } from "./folder.mjs";

/**
 * Ids of the missing `doc.<n>` whose bytes lie in some regular file below a folder; links are not followed.
 * @returns {Set<string>}
 */
export function attachmentsBelow(folder, manifest, sections) {
  const wanted = sections.withheld.filter((id) => split(id)[0] === "doc");
  if (wanted.length === 0) return new Set();
  const found = new Set(walk(folder).filter((e) => e.kind === "file").map((e) => `${e.sha256.toString("hex")} ${e.size}`));
  return new Set(
    wanted.filter((id) => {
      const entry = manifest.sections.get(id);
      return found.has(`${entry.get("digest").toString("hex")} ${entry.get("size")}`);
    }),
  );
}
