import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as protobufTypes from "@bufbuild/protobuf/wkt";
import * as sdk from "@parley/client";
import * as sdkOfNode from "@parley/client/node";
import ts from "typescript";
import type { Block } from "./document.js";
import { must } from "./messaging.js";

/** What a block made, by name. */
export type Made = Record<string, unknown>;

/** Where a block runs. */
export interface Stage {
  /** The address that `http://127.0.0.1:7777` stands for. */
  url: string;
  /** What the block takes as given, by name. */
  given: Record<string, unknown>;
  /** The folder that relative paths start from. */
  folder?: string;
  /** Hears of each client that the block makes. */
  onClient(client: sdk.Client | sdk.ServiceClient): void;
}

const AsyncFunction = (async () => {}).constructor as new (
  ...source: string[]
) => (...given: unknown[]) => Promise<Made>;

/** Runs a block as a module of its own, to its end, and gives what it declares at its top. */
export async function runBlock({ code }: Block, stage: Stage): Promise<Made> {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS },
  });
  const given = { ...stage.given, require: (name: string) => moduleNamed(name, stage), exports: {} };
  // In a block of its own, so that it may declare what it could have taken as given.
  const body = `{ ${outputText}\nreturn { ${declaredBy(code).join(", ")} }; }`;
  return await new AsyncFunction(...Object.keys(given), body)(...Object.values(given));
}

function moduleNamed(name: string, { url, folder, onClient }: Stage): object {
  const here = <T extends { baseUrl: string }>(options: T): T => ({
    ...options,
    baseUrl: options.baseUrl.replace("http://127.0.0.1:7777", url),
  });
  const heard = <T extends sdk.Client | sdk.ServiceClient>(client: T): T => {
    onClient(client);
    return client;
  };
  if (name === "@parley/client")
    return {
      ...sdk,
      createClient: (options: sdk.ClientOptions) => heard(sdk.createClient(here(options))),
      createServiceClient: (options: sdk.ServiceClientOptions) => heard(sdk.createServiceClient(here(options))),
    };
  if (name === "@parley/client/node")
    return { fileStore: (path: string) => sdkOfNode.fileStore(join(must(folder), path)) };
  if (name === "@bufbuild/protobuf/wkt") return protobufTypes;
  throw new Error(`a block imports ${name}, which nobody gives it`);
}

/** The names that a block declares at its top. */
function declaredBy(code: string): string[] {
  const names: string[] = [];
  const add = (name: ts.BindingName): void => {
    if (ts.isIdentifier(name)) names.push(name.text);
    else for (const element of name.elements) if (ts.isBindingElement(element)) add(element.name);
  };
  for (const statement of ts.createSourceFile("block.ts", code, ts.ScriptTarget.ES2022).statements)
    if (ts.isVariableStatement(statement)) for (const { name } of statement.declarationList.declarations) add(name);
  return names;
}

/** What the compiler says about blocks, as strictly as about the tree itself. `given` declares what they take as given. */
export function typeErrors(blocks: readonly Block[], given: string): string[] {
  const folder = fileURLToPath(new URL("../integration/", import.meta.url));
  const sources = new Map(blocks.map((block, at) => [`${folder}block-${at}.ts`, block]));
  const globals = `${folder}given.d.ts`;
  const textOf = (path: string): string | undefined => {
    const block = sources.get(path);
    return path === globals ? given : block && `${block.code}\nexport {};\n`;
  };
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts", "lib.dom.d.ts"],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: ["node"],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => textOf(path) !== undefined || fileExists(path);
  host.readFile = (path) => textOf(path) ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const text = textOf(path);
    return text === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, text, ts.ScriptTarget.ES2022);
  };
  const program = ts.createProgram([globals, ...sources.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const where = file === undefined ? "" : (sources.get(file.fileName)?.name ?? file.fileName);
    return `${where}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
}
