// bull: a job, a delayed and a repeated one, priorities, retries, a stalled job, a limit of the rate.
const assert = require("node:assert");
const Queue = require("bull");
const { run, sleep, until } = require("./running");

let port;
const queues = [];

const queueOf = (name, options = {}) => {
  const queue = new Queue(name, { redis: { host: "127.0.0.1", port }, ...options });
  queues.push(queue);
  return queue;
};

async function jobs() {
  const queue = queueOf("jobs");
  const finished = [];
  queue.on("global:completed", (id) => finished.push(id));
  queue.process(5, async (job) => {
    await job.progress(50);
    await job.log("a line");
    return job.data.number * 2;
  });
  const job = await queue.add({ number: 21 });
  assert.equal(await job.finished(), 42);
  assert.deepEqual((await queue.getJobLogs(job.id)).logs, ["a line"]);
  const many = await queue.addBulk([...Array(30).keys()].map((number) => ({ data: { number } })));
  assert.deepEqual(await Promise.all(many.map((each) => each.finished())), many.map((each) => each.data.number * 2));
  const began = Date.now();
  assert.equal(await (await queue.add({ number: 4 }, { delay: 500 })).finished(), 8);
  assert(Date.now() - began >= 490);
  const promoted = await queue.add({ number: 5 }, { delay: 60000 });
  await promoted.promote();
  assert.equal(await promoted.finished(), 10);
  await until(() => finished.length === 33);
  assert.equal((await queue.getJobCounts()).completed, 33);
  assert.equal((await queue.clean(0, "completed")).length, 33);
}

async function order() {
  const queue = queueOf("order");
  const names = [];
  await queue.pause();
  for (const [name, options] of [["low", { priority: 10 }], ["high", { priority: 1 }], ["first", { lifo: true }]]) {
    await queue.add(name, {}, options);
  }
  await queue.resume();
  queue.process("*", async (job) => names.push(job.name));
  await until(() => names.length === 3);
  assert.deepEqual(names, ["first", "high", "low"]);
  await queue.add("once", {}, { jobId: "once" });
  await queue.add("once", {}, { jobId: "once" });
  await until(() => names.length === 4);
}

async function failures() {
  const queue = queueOf("failures");
  let tries = 0;
  queue.process(async (job) => {
    if (job.data.always || ++tries < 3) throw new Error("not yet");
    return tries;
  });
  const job = await queue.add({}, { attempts: 3, backoff: 50 });
  assert.equal(await job.finished(), 3);
  const failed = await queue.add({ always: true });
  await assert.rejects(failed.finished(), /not yet/);
  assert.equal(await queue.getFailedCount(), 1);
  await (await queue.getJob(failed.id)).update({});
  await (await queue.getJob(failed.id)).retry();
  await until(async () => (await queue.getFailedCount()) === 0);
}

async function stalled() {
  const dead = queueOf("stalled", { settings: { lockDuration: 300, lockRenewTime: 60000 } });
  await dead.add({});
  assert.notEqual(await dead.getNextJob(), undefined); // and it does nothing with it
  await sleep(400);
  const queue = queueOf("stalled", { settings: { stalledInterval: 200, lockDuration: 300 } });
  const done = new Promise((resolve) => queue.process(async () => resolve()));
  await done;
}

async function repeats() {
  const queue = queueOf("repeats");
  let ticks = 0;
  queue.process("*", async () => ticks++);
  await queue.add("tick", {}, { repeat: { every: 300 } });
  await until(() => ticks >= 2);
  assert.deepEqual((await queue.getRepeatableJobs()).map((each) => each.name), ["tick"]);
  await queue.removeRepeatable("tick", { every: 300 });
  assert.equal(await queue.getRepeatableCount(), 0);
}

async function limits() {
  const queue = queueOf("limits", { limiter: { max: 2, duration: 400 } });
  const times = [];
  await queue.addBulk([...Array(5).keys()].map((number) => ({ data: { number } })));
  queue.process(async () => times.push(Date.now()));
  await until(() => times.length === 5);
  assert(times[4] - times[0] >= 700, `${times[4] - times[0]} ms`);
}

run(async (given) => {
  port = given;
  for (const part of [jobs, order, failures, stalled, repeats, limits]) await part();
  await queues[1].obliterate({ force: true });
  await Promise.all(queues.map((queue) => queue.close(true)));
});
