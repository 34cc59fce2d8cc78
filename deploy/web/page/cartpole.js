// A policy file that plays CartPole in this page. Policy and physics are in phalanx_web.wasm; here are its memory, the picture and the buttons.
// With `?test` it plays 100 episodes at once, and its title is their mean return.

const SECONDS = 0.02; // from one step to the next
const element = (id) => document.getElementById(id);

async function download(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`cannot load ${name}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

// An open policy file with its cart. Each file has an instance, so what an earlier one left goes with it.
class Game {
  static async open(module, file, seed) {
    const { exports } = await WebAssembly.instantiate(module);
    const at = exports.room(file.length);
    new Uint8Array(exports.memory.buffer, at, file.length).set(file);
    const opened = exports.open(seed);
    const text = new TextDecoder().decode(new Uint8Array(exports.memory.buffer, exports.text(), exports.text_len()));
    if (!opened) throw new Error(text);
    const { env, steps } = JSON.parse(text);
    const label = `of ${env?.name ?? "an unknown environment"}, trained for ${steps ?? "?"} steps`;
    return new Game(exports, label);
  }

  constructor(exports, label) {
    Object.assign(this, { exports, label, episodes: 0, total: 0, steps: 0 });
  }

  begin() {
    this.exports.begin();
    this.steps = 0;
  }

  // The reward is 1 for each step, so the return is their number.
  step() {
    this.steps += 1;
    if (this.exports.step() === 0) return;
    this.episodes += 1;
    this.total += this.steps;
    this.begin();
  }

  get mean() {
    return this.total / this.episodes;
  }
}

function draw(game) {
  const canvas = element("canvas");
  const [picture, scale, ground] = [canvas.getContext("2d"), canvas.width / 5.2, canvas.height * 0.75];
  const x = canvas.width / 2 + game.exports.observation(0) * scale;
  const angle = game.exports.observation(2);
  picture.clearRect(0, 0, canvas.width, canvas.height);
  picture.fillStyle = "#999";
  picture.fillRect(canvas.width / 2 - 2.4 * scale, ground - 2, 4.8 * scale, 4);
  picture.fillStyle = "#334";
  picture.fillRect(x - 0.25 * scale, ground - 0.15 * scale, 0.5 * scale, 0.3 * scale);
  picture.strokeStyle = "#c73";
  picture.lineWidth = 0.1 * scale;
  picture.lineCap = "round";
  picture.beginPath();
  picture.moveTo(x, ground - 0.1 * scale);
  picture.lineTo(x + Math.sin(angle) * scale, ground - 0.1 * scale - Math.cos(angle) * scale);
  picture.stroke();
}

function show(game) {
  draw(game);
  element("policy").textContent = game.label;
  element("episode").textContent = game.episodes + 1;
  element("steps").textContent = element("return").textContent = game.steps;
  if (game.episodes > 0) element("mean").textContent = `${game.mean.toFixed(2)} over ${game.episodes} episodes`;
}

let [game, paused, owed, last] = [null, false, 0, 0];

function frame(now) {
  // A page that was hidden does not catch up.
  owed += Math.min((now - last) / 1000, 0.1);
  last = now;
  for (; owed >= SECONDS; owed -= SECONDS) if (game && !paused) game.step();
  if (game) show(game);
  requestAnimationFrame(frame);
}

async function play(module, file) {
  try {
    game = await Game.open(module, await file(), Math.floor(Math.random() * 2 ** 32));
    element("message").textContent = "";
    element("mean").textContent = "none yet";
    element("pause").disabled = element("reset").disabled = false;
  } catch (error) {
    element("message").textContent = error.message;
  }
}

async function test(module) {
  const tested = await Game.open(module, await download("policy.phx"), 1);
  while (tested.episodes < 100) tested.step();
  show(tested);
  document.title = `return ${tested.mean.toFixed(2)} over ${tested.episodes} episodes`;
}

try {
  const module = await WebAssembly.compile(await download("phalanx_web.wasm"));
  element("file").onchange = ({ target }) =>
    target.files[0] && play(module, async () => new Uint8Array(await target.files[0].arrayBuffer()));
  element("pause").onclick = () => {
    paused = !paused;
    element("pause").textContent = paused ? "Continue" : "Pause";
  };
  element("reset").onclick = () => game.begin();
  if (new URLSearchParams(location.search).has("test")) {
    await test(module);
  } else {
    await play(module, () => download("policy.phx"));
    requestAnimationFrame(frame);
  }
} catch (error) {
  element("message").textContent = document.title = error.message;
}
