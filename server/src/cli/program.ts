import { Command } from "commander";
import { readVersion } from "../config.js";
import { appCommand } from "./app.js";
import { auditCommand } from "./audit.js";
import { backupCommand } from "./backup.js";
import { chatCommand } from "./chat.js";
import { copyCommand } from "./copy.js";
import { doctorCommand } from "./doctor.js";
import { messagesCommand } from "./messages.js";
import { oauthCommand } from "./oauth.js";
import { examples } from "./options.js";
import { pushCommand } from "./push.js";
import { restoreCommand } from "./restore.js";
import { searchCommand } from "./search.js";
import { serveCommand } from "./serve.js";
import { settingsCommand } from "./settings.js";
import { smsCommand } from "./sms.js";
import { statsCommand } from "./stats.js";
import { systemCommand } from "./system.js";
import { usersCommand } from "./users.js";
import { wordsCommand } from "./words.js";

/** `parley` with all its commands. */
export function program(): Command {
  return (
    new Command("parley")
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
      .addCommand(copyCommand())
      .addCommand(doctorCommand())
      .addHelpText(
        "after",
        examples(
          "parley serve",
          "parley chat --user Tom --to Jerry",
          "parley app list",
          "parley backup /mnt/parley.db",
        ),
      )
  );
}
