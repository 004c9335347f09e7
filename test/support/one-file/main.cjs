/** `parley`, as server/bin/parley.js starts it. */
void require("./load.cjs").program().parseAsync();
