"""What the seams are tried on: short tasks of many kinds, for which a very small model has something to say."""

from typing import NamedTuple


class Prompt(NamedTuple):
    """One task."""

    kind: str
    text: str


PROMPTS = (
    Prompt("fact", "What is the capital of France, and what is it known for?"),
    Prompt("fact", "Why is the sky blue? Explain it in a short paragraph."),
    Prompt("fact", "Who was Marie Curie?"),
    Prompt("fact", "How does a bicycle stay upright?"),
    Prompt("fact", "Explain what a database index is."),
    Prompt("list", "List seven things to pack for a day of hiking."),
    Prompt("list", "Give me a numbered list of the steps to bake bread."),
    Prompt("list", "Name five animals that live in the sea, with one sentence about each."),
    Prompt("list", "Write a shopping list for a pasta dinner, with nested bullet points for each group of goods."),
    Prompt("story", "Write a short story about a fox who finds a letter."),
    Prompt("story", "Tell me a story about a lighthouse keeper and a storm."),
    Prompt("story", "Write a dialogue between a baker and a customer who wants a birthday cake."),
    Prompt("story", "Write a poem of eight lines about the rain in autumn."),
    Prompt("code", "Write a Python function that reverses a string. Use a code block."),
    Prompt("code", "Write a Python class for a bank account with deposit and withdraw. Use a code block."),
    Prompt("code", "Write a JavaScript function that sums an array. Use a code block."),
    Prompt("code", "Show me a bash script that counts the lines of all text files in a folder. Use a code block."),
    Prompt("code", "Write an SQL query for the ten newest orders. Use a code block and explain it."),
    Prompt("table", "Make a markdown table of four planets with the columns name, diameter and moons."),
    Prompt("table", "Make a markdown table that compares cats and dogs as pets."),
    Prompt("table", "Write three lines of CSV with a header: name, age, city."),
    Prompt("json", "Give me a JSON object that describes a book, with title, author and year. Only the JSON."),
    Prompt("json", "Give me a JSON array of three cities with name and population. Only the JSON."),
    Prompt("json", "Write a YAML file that configures a small web server."),
    Prompt("language", "Schreibe drei Sätze über den Herbst auf Deutsch."),
    Prompt("language", "Écris trois phrases sur la mer en français."),
    Prompt("language", "Escribe un párrafo corto sobre el sol en español."),
    Prompt("language", "用中文介绍一下北京。"),
    Prompt("language", "日本の春について日本語で書いてください。"),
    Prompt("language", "Напиши три предложения о зиме по-русски."),
    Prompt("language", "اكتب جملتين عن القهوة بالعربية."),
    Prompt("arithmetic", "What is 17 times 23? Show the steps."),
    Prompt("arithmetic", "A train goes 60 km in 45 minutes. How fast is it? Explain step by step."),
    Prompt("arithmetic", "Write the multiplication table of 7, one line for each, up to 7 x 10."),
    Prompt("letter", "Write a polite email that asks to move a meeting to Friday."),
    Prompt("letter", "Write a short letter to a friend who has moved to another city, with three paragraphs."),
)
