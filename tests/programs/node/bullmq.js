// bullmq: jobs and their workers, with everything that a queue does with a job.
const assert = require("node:assert");
const { Queue, QueueEvents, UnrecoverableError, Worker } = require(process.argv[3]);
const { run, sleep, until } = require("./running");

let connection;
const opened = [];

const open = (kind, ...options) => {
  const it = new kind(...options);
  opened.push(it);
  return it;
};
const queueOf = (name) => open(Queue, name, { connection });
const workerOf = (name, process, options = {}) => open(Worker, name, process, { connection, ...options });

async function jobs() {
  const queue = queueOf("jobs");
  const events = open(QueueEvents, "jobs", { connection });
  await events.waitUntilReady();
  const progress = [];
  events.on("progress", ({ data }) => progress.push(data));
  workerOf("jobs", async (job) => {
    await job.updateProgress(50);
    await job.log("a line");
    return job.data.number * 2;
  }, { concurrency: 10 });
  const job = await queue.add("double", { number: 21 });
  assert.equal(await job.waitUntilFinished(events), 42);
  assert.deepEqual((await queue.getJobLogs(job.id)).logs, ["a line"]);
  assert.equal(await job.getState(), "completed");
  const many = await queue.addBulk([...Array(100).keys()].map((number) => ({ name: "double", data: { number } })));
  assert.deepEqual(
    await Promise.all(many.map((each) => each.waitUntilFinished(events))),
    many.map((each) => each.data.number * 2),
  );
  assert.equal(await queue.getCompletedCount(), 101);
  assert.equal(progress[0], 50);
  const began = Date.now();
  const delayed = await queue.add("double", { number: 4 }, { delay: 500 });
  assert.equal(await delayed.getState(), "delayed");
  assert.equal(await delayed.waitUntilFinished(events), 8);
  assert(Date.now() - began >= 490);
  const promoted = await queue.add("double", { number: 5 }, { delay: 60000 });
  await promoted.promote();
  assert.equal(await promoted.waitUntilFinished(events), 10);
}

async function order() {
  const queue = queueOf("order");
  const names = [];
  await queue.pause();
  await queue.add("low", {}, { priority: 10 });
  await queue.add("high", {}, { priority: 1 });
  await queue.add("plain", {});
  await queue.add("last", {}, { priority: 20 });
  await queue.add("first", {}, { lifo: true });
  const last = await queue.add("changed", {}, { priority: 5 });
  await last.changePriority({ priority: 30 });
  assert.deepEqual(await queue.getCountsPerPriority([0, 1, 10]), { 0: 2, 1: 1, 10: 1 });
  workerOf("order", async (job) => names.push(job.name));
  await queue.resume();
  await until(() => names.length === 6);
  assert.deepEqual(names, ["first", "plain", "high", "low", "last", "changed"]);
  const once = { deduplication: { id: "once", ttl: 60000 } };
  const [one, two] = [await queue.add("once", {}, once), await queue.add("once", {}, once)];
  assert.equal(one.id, two.id);
}

async function failures() {
  const queue = queueOf("failures");
  let tries = 0;
  let broken = true;
  workerOf("failures", async (job) => {
    if (job.name === "third") {
      if (++tries < 3) throw new Error("not yet");
      return tries;
    }
    if (broken) throw job.name === "never" ? new UnrecoverableError("never") : new Error("broken");
    return "mended";
  });
  const third = await queue.add("third", {}, { attempts: 3, backoff: { type: "exponential", delay: 50 } });
  const never = await queue.add("never", {}, { attempts: 3 });
  const mended = await queue.add("mended", {});
  await until(async () => (await third.isCompleted()) && (await queue.getFailedCount()) === 2);
  assert.equal((await queue.getJob(third.id)).returnvalue, 3);
  assert.equal((await queue.getJob(never.id)).attemptsMade, 1);
  assert.match((await queue.getJob(mended.id)).stacktrace[0], /broken/);
  broken = false;
  await queue.retryJobs();
  await until(async () => (await queue.getFailedCount()) === 0 && (await queue.getCompletedCount()) === 3);
  assert.equal((await queue.clean(0, 100, "completed")).length, 3);
  await queue.add("left", {}, { delay: 60000 });
  await queue.drain(true);
  assert.equal(await queue.getDelayedCount(), 0);
}

async function stalled() {
  const queue = queueOf("stalled");
  await queue.add("job", {});
  const dead = workerOf("stalled", null, { lockDuration: 300 });
  assert.equal((await dead.getNextJob("token")).name, "job"); // and it does nothing with it
  const names = [];
  workerOf("stalled", async (job) => names.push(job.name), { stalledInterval: 200, lockDuration: 300 });
  await until(() => names.length === 1);
}

async function schedules() {
  const queue = queueOf("schedules");
  const ticks = [];
  workerOf("schedules", async (job) => ticks.push(job.name));
  await queue.upsertJobScheduler("every", { every: 200 }, { name: "tick" });
  await queue.upsertJobScheduler("cron", { pattern: "* * * * * *", limit: 1 }, { name: "cron" });
  await until(() => ticks.filter((name) => name === "tick").length >= 3 && ticks.includes("cron"));
  assert.deepEqual((await queue.getJobSchedulers()).map((each) => each.key).includes("every"), true);
  assert.equal(await queue.removeJobScheduler("every"), true);
  await queue.removeJobScheduler("cron");
  assert.equal(await queue.getJobSchedulersCount(), 0);
}

async function limits() {
  const queue = queueOf("limits");
  const times = [];
  await queue.addBulk([...Array(5).keys()].map((number) => ({ name: "limited", data: { number } })));
  const worker = workerOf("limits", async () => times.push(Date.now()), { limiter: { max: 2, duration: 400 } });
  await until(() => times.length === 5);
  assert(times[4] - times[0] >= 700, `${times[4] - times[0]} ms`);
  await worker.close();
  await queue.setGlobalConcurrency(1);
  let running = 0;
  let most = 0;
  for (let number = 0; number < 2; number++) {
    workerOf("limits", async () => {
      most = Math.max(most, ++running);
      await sleep(30);
      running--;
      times.push(Date.now());
    }, { concurrency: 5 });
  }
  await queue.addBulk([...Array(5).keys()].map((number) => ({ name: "one", data: { number } })));
  await until(() => times.length === 10);
  assert.equal(most, 1);
}

run(async (port) => {
  connection = { host: "127.0.0.1", port };
  for (const part of [jobs, order, failures, stalled, schedules, limits]) await part();
  const counts = await opened[0].getJobCounts();
  assert.equal(counts.completed, 103);
  await Promise.all(opened.map((each) => each.close()));
  const queue = new Queue("jobs", { connection });
  await queue.obliterate();
  await queue.close();
});
