// bullmq: flows, that is jobs that wait for their children.
const assert = require("node:assert");
const { FlowProducer, Queue, QueueEvents, WaitingChildrenError, Worker } = require(process.argv[3]);
const { run, until } = require("./running");

run(async (port) => {
  const connection = { host: "127.0.0.1", port };
  const flows = new FlowProducer({ connection });
  const parts = new Queue("parts", { connection });
  const events = new QueueEvents("whole", { connection });
  await events.waitUntilReady();
  const part = new Worker("parts", async (job) => {
    if (job.data.fails) throw new Error("this part fails");
    const children = Object.values(await job.getChildrenValues());
    return children.reduce((total, value) => total + value, job.data.number);
  }, { connection, concurrency: 3 });
  const whole = new Worker("whole", async (job, token) => {
    if (job.data.late) {
      await parts.add("late", { number: 5 }, { parent: { id: job.id, queue: job.queueQualifiedName } });
      await job.updateData({});
      if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
    }
    return Object.values(await job.getChildrenValues()).reduce((total, value) => total + value, 0);
  }, { connection });

  const leaf = (number) => ({ name: "leaf", queueName: "parts", data: { number } });
  const tree = await flows.add({
    name: "root",
    queueName: "whole",
    data: {},
    children: [leaf(1), leaf(2), { name: "branch", queueName: "parts", data: { number: 10 }, children: [leaf(3), leaf(4)] }],
  });
  assert.equal(await tree.job.waitUntilFinished(events), 20);
  assert.equal((await tree.job.getDependenciesCount()).processed, 3);

  const failing = await flows.add({
    name: "root",
    queueName: "whole",
    data: {},
    children: [{ name: "leaf", queueName: "parts", data: { fails: true }, opts: { failParentOnFailure: true } }, leaf(1)],
  });
  await until(() => failing.job.isFailed());
  const ignoring = await flows.add({
    name: "root",
    queueName: "whole",
    data: {},
    children: [{ name: "leaf", queueName: "parts", data: { fails: true }, opts: { ignoreDependencyOnFailure: true } }, leaf(7)],
  });
  assert.equal(await ignoring.job.waitUntilFinished(events), 7);
  const queue = new Queue("whole", { connection });
  const late = await queue.add("root", { late: true });
  assert.equal(await late.waitUntilFinished(events), 5);
  const waiting = await flows.add({
    name: "root",
    queueName: "whole",
    children: [{ ...leaf(1), opts: { delay: 60000 } }],
  });
  assert.equal(await waiting.job.getState(), "waiting-children");
  await waiting.job.remove();
  assert.equal(await waiting.children[0].job.getState(), "unknown");
  for (const each of [part, whole, flows, parts, events, queue]) await each.close();
});
