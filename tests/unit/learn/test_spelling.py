"""Which language a word is of, and which words voices can say."""

import pytest
from spoken import needs_espeak

from detector.errors import SettingsError
from detector.learn.spelling import check_spelling, guess_language


@pytest.mark.parametrize(
    ("word", "locale", "language"),
    [
        ("computer", "", "en"),
        ("computer", "C.UTF-8", "en"),
        ("computer", "POSIX", "en"),
        ("computer", "en_GB.UTF-8", "en"),
        ("computer", "de_AT.UTF-8@euro", "de-at"),
        ("computador", "pt_BR", "pt-br"),
        ("computer", "ru_RU.UTF-8", "en"),
        ("компьютер", "", "ru"),
        ("комп'ютер", "uk_UA.UTF-8", "uk-ua"),
        ("компьютер", "de_DE.UTF-8", "ru"),
        ("υπολογιστής", "en_US.UTF-8", "el"),
        ("コンピューター", "", "ja"),
        ("hey コンピューター", "", "ja"),
        ("컴퓨터", "", "ko"),
        ("कंप्यूटर", "", "hi"),
    ],
)
def test_the_language_is_guessed_from_letters_and_locale(word, locale, language):
    assert guess_language(word, locale) == language


@needs_espeak
@pytest.mark.parametrize(
    ("word", "language"),
    [
        ("computer", "en"),
        ("hey computer", "en"),
        ("don't", "en-gb"),
        ("Mädchen", "de"),
        ("computer", "ru"),
        ("компьютер", "ru"),
        ("комп'ютер", "uk-ua"),
        ("コンピューター", "ja"),
        ("कंप्यूटर", "hi"),
        ("r2 d2", "en"),
    ],
)
def test_words_of_a_language_can_be_spoken(word, language):
    check_spelling(word, language)


@needs_espeak
@pytest.mark.parametrize(
    ("word", "language", "message"),
    [
        ("...", "en", r"expected a word of letters to speak, .* found '...'"),
        ("[[k@m]]", "en", "expected a word of letters"),
        ("<break/>", "en", "expected a word of letters"),
        ("a\nb", "en", "expected a word of letters"),
        ("42", "en", "expected a word of letters"),
        ("компьютер", "en", "in letters of the language en, found Cyrillic ones: name the language with --language ru"),
        ("컴퓨터", "de", "found Hangul ones: name the language with --language ko"),
        ("電脳", "ja", r"that espeak-ng can read in the language ja, found '電脳'.*in kana"),
        ("computer", "xx", "expected a language that espeak-ng speaks, .* found 'xx'"),
    ],
)
def test_words_that_cannot_be_spoken_are_one_line(word, language, message):
    with pytest.raises(SettingsError, match=message):
        check_spelling(word, language)
