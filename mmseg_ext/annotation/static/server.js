// What is asked of the server. Every answer is JSON; an error says why.

export async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Start it again with the same command, and open the address that it prints.");
  }
  if (answer.ok) return answer.json();
  const text = await answer.text();
  let reason = text;
  try {
    reason = JSON.parse(text).error ?? text;
  } catch { /* the guard answers in plain text */ }
  throw new Error(reason);
}

// Calls `receive` with each piece of news, `lost` while there is no connection.
export function listen(revision, page, receive, lost) {
  let source;
  const open = () => {
    source = new EventSource(`/api/events?since=${revision}&page=${page}`);
    source.onmessage = (event) => {
      const news = JSON.parse(event.data);
      revision = Math.max(revision, news.revision);
      receive(news);
    };
    source.onerror = () => {
      source.close();
      lost();
      setTimeout(open, 1000);
    };
  };
  open();
}
