// Adds jobs to a queue of BullMQ and has a worker process them:  node bullmq.js PORT JOBS
const { Queue, Worker } = require("bullmq");

const connection = { host: "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: null };
const jobs = Number(process.argv[3]);

async function main() {
  const queue = new Queue("benchmark", { connection });
  await queue.obliterate({ force: true });
  const options = { removeOnComplete: true, attempts: 3 };
  for (let number = 0; number < jobs; number += 50) {
    const some = Array.from({ length: Math.min(50, jobs - number) }, (_, index) => number + index);
    await Promise.all(some.map((each) => queue.add("job", { number: each, text: "some data of a job" }, options)));
  }
  let left = jobs;
  await new Promise((resolve, reject) => {
    const worker = new Worker("benchmark", async (job) => job.data.number, { connection, concurrency: 10 });
    worker.on("completed", () => --left || resolve(worker.close()));
    worker.on("error", reject);
  });
  await queue.close();
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
