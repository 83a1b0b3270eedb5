// Submit a sheet, wait, download: PACKSHOT_URL=… PACKSHOT_KEY=… node client.mts SHEET FOLDER
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

type Batch = { state: string; counts: Record<string, number>; links: Record<string, string> };

const [sheet, folder] = process.argv.slice(2);

async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = { Authorization: `Bearer ${process.env.PACKSHOT_KEY}`, ...options.headers };
  const answer = await fetch(process.env.PACKSHOT_URL + path, { ...options, headers });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

const body = new FormData();
body.append("file", new Blob([await readFile(sheet)]), basename(sheet));
const headers = { "Idempotency-Key": crypto.randomUUID() };
let batch: Batch = await (await ask("/v1/batches", { method: "POST", body, headers })).json();
while (batch.state === "running") {
  console.log(batch.counts);
  batch = await (await ask(`${batch.links.self}?wait=60`)).json();
}
await mkdir(folder, { recursive: true });
for (const link of [batch.links.results, batch.links.images]) {
  const file = Buffer.from(await (await ask(link)).arrayBuffer());
  await writeFile(join(folder, basename(link)), file);
}
console.log(batch.state, batch.counts);
