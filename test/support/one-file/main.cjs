/** `parley`, as server/bin/parley.js starts it. */
let isOver = false;
void require("./load.cjs")
  .program()
  .parseAsync()
  .then(() => {
    isOver = true;
  });
// As Node ends a module whose promise nothing will settle any more.
process.on("exit", () => {
  if (!isOver) process.exitCode ??= 13;
});
