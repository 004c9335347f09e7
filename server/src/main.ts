import { Command } from "commander";
import { appCommand } from "./cli/app.js";
import { backupCommand } from "./cli/backup.js";
import { chatCommand } from "./cli/chat.js";
import { doctorCommand } from "./cli/doctor.js";
import { messagesCommand } from "./cli/messages.js";
import { examples } from "./cli/options.js";
import { restoreCommand } from "./cli/restore.js";
import { serveCommand } from "./cli/serve.js";
import { systemCommand } from "./cli/system.js";
import { usersCommand } from "./cli/users.js";
import { readVersion } from "./config.js";

await new Command("parley")
  .description("Parley: self-hosted instant messaging")
  .version(readVersion())
  .addCommand(serveCommand())
  .addCommand(appCommand())
  .addCommand(chatCommand())
  .addCommand(usersCommand())
  .addCommand(messagesCommand())
  .addCommand(systemCommand())
  .addCommand(backupCommand())
  .addCommand(restoreCommand())
  .addCommand(doctorCommand())
  .addHelpText(
    "after",
    examples("parley serve", "parley chat --user Tom --to Jerry", "parley app list", "parley backup /mnt/parley.db"),
  )
  .parseAsync();
