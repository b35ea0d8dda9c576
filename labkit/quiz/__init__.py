"""The quiz: questions in the lessons, each where its answer was taught, and what is said of an answer.

`bank` knows the questions and what an answer deserves to hear, `sealed` keeps that from being read by accident, `given` reads what a
learner typed, `card` writes a question as text and HTML, `controls` is the form, `asking` joins them, `overview` says what is open.
"""
