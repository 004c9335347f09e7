import { join } from "node:path";
import { readSecretFile, writeSecretFile } from "./secret-file.js";
import { newOperatorToken } from "./tokens.js";

/** The operator token of the setting, else the one kept in the data folder, which is made when absent. */
export function loadOperatorToken(dataDir: string, setting: string | undefined): string {
  if (setting !== undefined) return setting;
  const file = join(dataDir, "operator-token");
  const kept = readSecretFile(file);
  if (kept !== undefined && kept !== "") return kept;
  const token = newOperatorToken();
  writeSecretFile(file, token);
  return token;
}
