/** As main.cjs; what it compiled until it ended is kept for the starts after it. */
const { program, keepCode } = require("./load.cjs");
void program().parseAsync().then(keepCode);
