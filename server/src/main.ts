import { Command } from "commander";
import { appCommand } from "./cli/app.js";
import { backupCommand } from "./cli/backup.js";
import { chatCommand } from "./cli/chat.js";
import { doctorCommand } from "./cli/doctor.js";
import { examples } from "./cli/options.js";
import { pushCommand } from "./cli/push.js";
import { restoreCommand } from "./cli/restore.js";
import { serveCommand } from "./cli/serve.js";
import { readVersion } from "./config.js";

await new Command("parley")
  .description("Parley: self-hosted instant messaging")
  .version(readVersion())
  .addCommand(serveCommand())
  .addCommand(appCommand())
  .addCommand(chatCommand())
  .addCommand(pushCommand())
  .addCommand(backupCommand())
  .addCommand(restoreCommand())
  .addCommand(doctorCommand())
  .addHelpText(
    "after",
    examples("parley serve", "parley chat --user Tom --to Jerry", "parley app list", "parley backup /mnt/parley.db"),
  )
  .parseAsync();
