import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };

/** Turns this folder into JavaScript in `folder`, so that a peer runs on bare Node: a loader would cost it memory and time. */
export function transpilePeers(folder: string): void {
  for (const file of readdirSync(import.meta.dirname)) {
    const source = readFileSync(join(import.meta.dirname, file), "utf8");
    if (file.endsWith(".proto")) writeFileSync(join(folder, file), source);
    if (!file.endsWith(".ts")) continue;
    const { outputText } = ts.transpileModule(source, { compilerOptions, fileName: file });
    writeFileSync(join(folder, file.replace(/\.ts$/, ".js")), outputText);
  }
}
