import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const NAME = "schema:";
const HERE = "\0schema:";
const REF = "#/components/schemas/";
const DESCRIPTION = fileURLToPath(new URL("openapi.json", import.meta.url));

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/**
 * `import wish from "schema:ResourceWish"`: a schema of the API's own description with what it refers to put in, so that
 * a form is of the fields that the server reads. The description is written anew before each build.
 */
export function schemas(): Plugin {
  return {
    name: "schemas",
    resolveId: (id) => (id.startsWith(NAME) ? HERE + id.slice(NAME.length) : undefined),
    load(id) {
      if (!id.startsWith(HERE)) return undefined;
      this.addWatchFile(DESCRIPTION);
      const known = JSON.parse(readFileSync(DESCRIPTION, "utf8")).components.schemas as Record<string, Json>;
      return `export default ${JSON.stringify(whole({ $ref: REF + id.slice(HERE.length) }, known, []))};`;
    },
  };
}

function whole(part: Json, known: Record<string, Json>, within: string[]): Json {
  if (Array.isArray(part)) return part.map((each) => whole(each, known, within));
  if (part === null || typeof part !== "object") return part;
  const ref = part["$ref"];
  if (typeof ref !== "string") {
    return Object.fromEntries(Object.entries(part).map(([name, each]) => [name, whole(each, known, within)]));
  }
  const named = ref.slice(REF.length);
  const found = known[named];
  if (found === undefined) throw new Error(`the API describes no ${named}`);
  if (within.includes(named)) throw new Error(`${named} holds itself, which no form can show`);
  return whole(found, known, [...within, named]);
}
