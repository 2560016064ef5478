// What the scripts here have in common.

/** Run a script's function, given the server's port; an error ends the process. */
exports.run = (main) => {
  main(Number(process.argv[2])).then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
};

exports.sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Wait until a condition holds, but not forever. */
exports.until = async (condition, milliseconds = 15000) => {
  const end = Date.now() + milliseconds;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${milliseconds} ms: ${condition}`);
    await exports.sleep(20);
  }
};
