// Writes tests/data/chat/huggingface-jinja.json: what @huggingface/jinja makes of the templates in jinja2.json, and where it differs.
import { readFileSync, writeFileSync } from "node:fs";
import { Template } from "@huggingface/jinja";

const folder = new URL("../../data/chat/", import.meta.url);
const version = JSON.parse(readFileSync(new URL("node_modules/@huggingface/jinja/package.json", import.meta.url))).version;
const oracle = JSON.parse(readFileSync(new URL("jinja2.json", folder), "utf8"));

// The moment at which jinja2.json was made.
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...parts) {
    super(...(parts.length === 0 ? [2024, 6, 9, 5, 4, 3] : parts));
  }
};

function render(template, variables) {
  try {
    return { text: new Template(template).render(structuredClone(variables)) };
  } catch {
    return {};
  }
}

function compare(items, templateOf, variablesOf) {
  const agrees = [];
  const differs = [];
  items.forEach((item, index) => {
    const { text } = render(templateOf(item), variablesOf(item));
    if (item.expected === text && (text === undefined) === (item.expected === undefined)) {
      agrees.push(text === undefined ? { index, error: true } : { index, text });
    } else {
      differs.push(index);
    }
  });
  return { agrees, differs };
}

const result = {
  reference: `@huggingface/jinja ${version}`,
  cases: compare(oracle.cases, (item) => item.template, () => oracle.variables),
  conversations: compare(oracle.conversations, (item) => oracle.families[item.name], (item) => item.variables),
};
writeFileSync(new URL("huggingface-jinja.json", folder), JSON.stringify(result) + "\n");
for (const [name, part] of Object.entries(result)) {
  if (part.agrees) console.log(name, part.agrees.length, "agree,", part.differs.length, "differ");
}
