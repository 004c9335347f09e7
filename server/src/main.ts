import { Command } from "commander";
import { appCommand } from "./cli/app.js";
import { chatCommand } from "./cli/chat.js";
import { examples } from "./cli/options.js";
import { serveCommand } from "./cli/serve.js";
import { readVersion } from "./config.js";

await new Command("parley")
  .description("Parley: self-hosted instant messaging")
  .version(readVersion())
  .addCommand(serveCommand())
  .addCommand(appCommand())
  .addCommand(chatCommand())
  .addHelpText("after", examples("parley serve", "parley chat --user Tom --to Jerry", "parley app list"))
  .parseAsync();
