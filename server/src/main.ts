import { Command } from "commander";
import { appCommand } from "./cli/app.js";
import { auditCommand } from "./cli/audit.js";
import { backupCommand } from "./cli/backup.js";
import { chatCommand } from "./cli/chat.js";
import { doctorCommand } from "./cli/doctor.js";
import { messagesCommand } from "./cli/messages.js";
import { oauthCommand } from "./cli/oauth.js";
import { examples } from "./cli/options.js";
import { pushCommand } from "./cli/push.js";
import { restoreCommand } from "./cli/restore.js";
import { searchCommand } from "./cli/search.js";
import { serveCommand } from "./cli/serve.js";
import { settingsCommand } from "./cli/settings.js";
import { smsCommand } from "./cli/sms.js";
import { statsCommand } from "./cli/stats.js";
import { systemCommand } from "./cli/system.js";
import { usersCommand } from "./cli/users.js";
import { wordsCommand } from "./cli/words.js";
import { readVersion } from "./config.js";

await new Command("parley")
  .description("Parley: self-hosted instant messaging")
  .version(readVersion())
  .commandsGroup("And:")
  .helpCommand("help [command]", "say what a command does, as --help does")
  // Of commands that name no group of their own.
  .commandsGroup("Ask a running server:")
  .addCommand(serveCommand())
  .addCommand(appCommand())
  .addCommand(settingsCommand())
  .addCommand(wordsCommand())
  .addCommand(statsCommand())
  .addCommand(auditCommand())
  .addCommand(chatCommand())
  .addCommand(smsCommand())
  .addCommand(oauthCommand())
  .addCommand(usersCommand())
  .addCommand(messagesCommand())
  .addCommand(systemCommand())
  .addCommand(pushCommand())
  .addCommand(searchCommand())
  .addCommand(backupCommand())
  .addCommand(restoreCommand())
  .addCommand(doctorCommand())
  .addHelpText(
    "after",
    examples("parley serve", "parley chat --user Tom --to Jerry", "parley app list", "parley backup /mnt/parley.db"),
  )
  .parseAsync();
