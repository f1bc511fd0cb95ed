"""text/summarize@1: the sentences of a text that say most of it.

In mock mode the summary is extractive: words are counted, a sentence is worth the mean weight
of its words, and the best ones are kept in their order. In real mode a chat model writes it.
"""

import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections import Counter

from processor_runtime import ProcessorError, main

REF = "text/summarize@1"
STOP_WORDS = frozenset(
    """
    a about after all also an and any are as at be because been but by can could did do does for
    from had has have he her his how i if in into is it its just may more most no not of on one
    only or other our out over she should so some such than that the their them then there these
    they this those through to under up was we were what when which who will with would you your
    """.split()  # noqa: SIM905, a list of a hundred quoted words reads worse
)
SAMPLE = {
    "sentences": 2,
    "text": (
        "An image is built once and named by its digest. The digest is the hash of the image, so "
        "two images with the same digest hold the same bits. Every environment runs the image by "
        "its digest, never by a tag. It was a rainy day. A tag can move, and a moved tag is a new "
        "image that nobody tested. Tests run against the digest, and what passed is what is "
        "deployed."
    ),
}


def handle(inputs, mode, files, secrets):
    text = inputs.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ProcessorError("ERR_INPUT", "inputs.text is missing or empty")
    count = inputs.get("sentences", 3)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 50:
        raise ProcessorError("ERR_INPUT", "inputs.sentences is a number from 1 to 50")

    sentences = split_sentences(text)
    summary = summarize(sentences, count) if mode == "mock" else ask_model(text, count, secrets)
    metadata = {
        "sentences_in": len(sentences),
        "sentences_out": len(split_sentences(summary)),
        "words_in": len(words(text)),
        "words_out": len(words(summary)),
        "keywords": [word for word, _ in ranked(weights(words(text)))[:5]],
    }
    files.write("text/summary.txt", (summary + "\n").encode(), "text/plain")
    files.write(
        "metadata.json",
        (json.dumps(metadata, indent=2, ensure_ascii=False) + "\n").encode(),
        "application/json",
    )
    return {"summary": summary, **metadata}


def split_sentences(text):
    parts = re.split(r"(?<=[.!?…])\s+|\n{2,}", text.strip())
    return [" ".join(part.split()) for part in parts if part.strip()]


def words(text):
    return re.findall(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*", text.lower())


def weights(all_words):
    counts = Counter(word for word in all_words if word not in STOP_WORDS and len(word) > 1)
    most = max(counts.values(), default=1)
    return {word: number / most for word, number in counts.items()}


def ranked(scores):
    """Best first; equal ones by name, so that the order never depends on hashing."""
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def summarize(sentences, count):
    weight = weights([word for sentence in sentences for word in words(sentence)])

    def worth(sentence):
        known = [weight[word] for word in words(sentence) if word in weight]
        # Short sentences of one frequent word must not win over those that explain it.
        return sum(known) / (len(known) + 3) if known else 0.0

    best = sorted(range(len(sentences)), key=lambda i: (-worth(sentences[i]), i))[:count]
    return " ".join(sentences[i] for i in sorted(best))


def ask_model(text, count, secrets):
    base = os.environ.get("LITELLM_API_BASE") or "https://api.openai.com/v1"
    instruction = f"Summarise the text in at most {count} sentences. Answer with the summary only."
    body = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": instruction},
            {"role": "user", "content": text},
        ],
    }
    request = urllib.request.Request(
        base.rstrip("/") + "/chat/completions",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {secrets['OPENAI_API_KEY']}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["choices"][0]["message"]["content"].strip()
    except urllib.error.HTTPError as error:
        raise ProcessorError("ERR_PROVIDER", f"the model answered {error.code}") from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ProcessorError("ERR_PROVIDER", f"no answer from the model: {error}") from error


if __name__ == "__main__":
    sys.exit(main(REF, handle, sample=SAMPLE, secrets=["OPENAI_API_KEY"]))
