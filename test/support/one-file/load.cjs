/** Runs the script of the built server, by the code that V8 made of it when it was compiled before. */
const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { Script } = require("node:vm");

const [filename, code] = [join(__dirname, "server.cjs"), join(__dirname, "server.code")];
// Strict, as the modules were of which it is made.
const parameters = "exports, require, module, __filename, __dirname";
const text = `(function (${parameters}) { "use strict"; ${readFileSync(filename, "utf8")}\n})`;
const script = new Script(text, {
  filename,
  cachedData: existsSync(code) ? readFileSync(code) : undefined,
});
script.runInThisContext()(exports, require, module, filename, __dirname);
/** Keeps what has been compiled so far. */
module.exports.keepCode = () => writeFileSync(code, script.createCachedData());
