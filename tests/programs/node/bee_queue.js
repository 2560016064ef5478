// bee-queue: jobs, delays, retries, progress, a job whose worker died.
const assert = require("node:assert");
const Queue = require("bee-queue");
const { run, until } = require("./running");

run(async (port) => {
  const options = { redis: { host: "127.0.0.1", port }, activateDelayedJobs: true, stallInterval: 300 };
  const queues = [];
  const queueOf = (name, more = {}) => {
    const queue = new Queue(name, { ...options, ...more });
    queues.push(queue);
    return queue;
  };
  const finished = (job) => new Promise((resolve, reject) => job.on("succeeded", resolve).on("failed", reject));

  const queue = queueOf("jobs");
  let tries = 0;
  queue.process(3, async (job) => {
    job.reportProgress({ half: true });
    if (job.data.tries && ++tries < job.data.tries) throw new Error("not yet");
    if (job.data.fails) throw new Error("always");
    return job.data.number * 2;
  });
  const progress = [];
  const job = queue.createJob({ number: 21 });
  job.on("progress", (data) => progress.push(data));
  const done = finished(await job.save());
  assert.equal(await done, 42);
  assert.deepEqual(progress, [{ half: true }]);
  const jobs = [...Array(30).keys()].map((number) => queue.createJob({ number }));
  const all = Promise.all(jobs.map(finished));
  await queue.saveAll(jobs);
  assert.deepEqual(await all, jobs.map((each) => each.data.number * 2));
  const began = Date.now();
  const delayed = queue.createJob({ number: 4 }).delayUntil(began + 500);
  const later = finished(delayed);
  await delayed.save();
  assert.equal(await later, 8);
  assert(Date.now() - began >= 490);
  const retried = queue.createJob({ number: 1, tries: 3 }).retries(3).backoff("fixed", 100);
  retried.save();
  await new Promise((resolve) => retried.on("succeeded", resolve));
  assert.equal(tries, 3);
  const failing = queue.createJob({ fails: true });
  const failed = finished(failing);
  await failing.save();
  await assert.rejects(failed, /always/);
  const health = await queue.checkHealth();
  assert.deepEqual([health.succeeded, health.failed, health.waiting, health.delayed], [33, 1, 0, 0]);
  const twice = [queue.createJob({ number: 1 }).setId("one"), queue.createJob({ number: 1 }).setId("one")];
  assert.deepEqual([(await twice[0].save()).id, (await twice[1].save()).id], ["one", null]);

  const dead = queueOf("stalled");
  await dead.createJob({}).save();
  dead.process(() => new Promise(() => {})); // it never comes to an end
  await until(async () => (await dead.checkHealth()).active === 1);
  dead.close(1).catch(() => {});
  const alive = queueOf("stalled");
  const names = [];
  alive.process(async (each) => names.push(each.id));
  await alive.checkStalledJobs(100);
  await until(() => names.length === 1);
  await alive.destroy();
});
