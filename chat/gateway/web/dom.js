// Elements by name and new ones; text goes in as text and never as markup.

export function byId(id) {
  return document.getElementById(id);
}

export function make(tag, { className = "", text = null, dataset = {}, ...more } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), more);
  Object.assign(element.dataset, dataset);
  element.className = className;
  if (text !== null) element.textContent = text;
  element.append(...children);
  return element;
}

const HUES = 8;

// A round letter in the colour of its owner.
export function paintAvatar(element, name, userId) {
  let sum = 0;
  for (const character of userId) sum = (sum * 31 + character.codePointAt(0)) % 65_521;
  element.dataset.hue = sum % HUES;
  element.textContent = [...(name || userId)][0].toUpperCase();
  return element;
}
