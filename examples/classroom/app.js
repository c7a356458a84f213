// A classroom: polls and quizzes of the teacher, answered in time and not in haste; questions of the pupils.
import { join, sdk } from '../server.js';

const room = join(document.querySelector('unisono-player'));
const at = (id) => document.getElementById(id);
const say = (words) => (at('said').textContent = words);
window.room = room;

/** What is asked now, or was asked last. */
const asked = () => [...room.state.windows.values()].findLast(({ terms }) => terms.decide.by !== 'highest');

async function tell(command) {
  const ack = await command.catch((error) => ({ status: 'unsent', words: error.message }));
  if (!sdk.isDone(ack)) say(ack.words ?? ack.status);
  return sdk.isDone(ack);
}

function drawAsked() {
  const window = asked();
  if (!window) return;
  const { data, terms, phase, result, mine } = window;
  at('question').textContent = data?.question ?? data?.title ?? 'A question';
  const all = result ? result.counts.reduce((sum, count) => sum + count, 0) : 0;
  const countdown = room.countdown(window.id);
  const isOpen = phase === 'open' && Boolean(countdown?.isOpen);
  const key = JSON.stringify([window.id, phase, mine, isOpen, result]);
  if (at('choices').dataset.key !== key) {
    at('choices').dataset.key = key;
    at('choices').replaceChildren(...(data?.choices ?? []).map((choice, index) => (result ? bar(choice, result, index, all) : button(window, choice, index, isOpen))));
  }
  const words = isOpen ? `${Math.ceil(countdown.leftUs / 1e6)} s left${terms.changes ? ', you may change your mind' : ''}` : 'Closed. The result follows …';
  at('time').textContent = result ? outcomeWords(window, all) : words;
}

function button(window, choice, index, isOpen) {
  const element = document.createElement('button');
  element.textContent = choice;
  element.ariaPressed = String(window.mine?.choice === index);
  element.disabled = !isOpen || (window.mine !== null && !window.terms.changes);
  element.onclick = () => tell(room.enter(window.type, window.id, { choice: index }));
  return element;
}

function bar(choice, result, index, all) {
  const element = document.createElement('div');
  const share = all ? Math.round((100 * result.counts[index]) / all) : 0;
  element.className = 'bar';
  element.style.flex = '1 1 100%';
  element.style.setProperty('--share', `${share}%`);
  const [label, figure] = [document.createElement('span'), document.createElement('span')];
  label.textContent = result.outcome === index ? `✓ ${choice}` : choice;
  figure.textContent = `${share} %`;
  element.append(label, figure);
  return element;
}

function outcomeWords({ result, mine }, all) {
  const answers = all === 1 ? '1 answer' : `${all} answers`;
  if (result.by !== 'match' || !mine) return answers;
  return `${answers} · ${mine.choice === result.outcome ? 'you were right' : 'not this time'}`;
}

function drawQuestions({ messages }) {
  const questions = messages.filter(({ type }) => type === 'question');
  at('questions').replaceChildren(
    ...questions.map(({ actor, data }) => {
      const item = document.createElement('li');
      // Text, never HTML: it comes from strangers.
      item.textContent = `${data?.answered ? '✓ ' : ''}${actor?.name ?? data?.name ?? 'A pupil'}: ${data?.text ?? ''}`;
      return item;
    }),
  );
}

room.subscribe((state) => {
  drawAsked();
  drawQuestions(state);
});
setInterval(drawAsked, 250);

at('ask').onsubmit = async (submit) => {
  submit.preventDefault();
  const input = at('ask').querySelector('input');
  if (await tell(room.send('question', { text: input.value.trim() }))) at('ask').reset();
};
room.onNotice('joined', ({ role }) => say(role === 'guest' ? 'You may watch; to ask and answer, come with a token (?token=…).' : ''));
room.onNotice('error', (error) => say(error.message));
