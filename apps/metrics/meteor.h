// METEOR 1.5 for English with its modules exact and stem: words match if they, or else their stems, are equal; synonyms
// and paraphrases, which need its data, are not looked for. Equal to its Java program called with -m "exact stem".
//   matches    chosen so that the most words match exactly, in the fewest chunks, over the least distance, by a search
//              with 40 beams from the reference's first word to its last
//   P, R       weighted matches over the weighted words of text, of reference: a match by stem counts 0.6, a function
//              word (the, of, is, ...) 0.25 and any other 0.75
//   F          P R / (0.85 P + 0.15 R)
//   score      F (1 - 0.6 (chunks / matches)^0.2)
// Of several texts the numbers are summed, of each with its best reference, and one chunk that is all of both texts
// counts as none.
// paper: Denkowski & Lavie 2014, Meteor Universal: Language Specific Translation Evaluation for Any Target Language
#pragma once
#include <string>
#include <vector>

namespace lowland {

struct MeteorCounts {
  double text_words = 0, reference_words = 0;  // weighted
  double text_matches = 0, reference_matches = 0;
  double matches = 0, chunks = 0;

  double score() const;
  MeteorCounts& operator+=(const MeteorCounts& more);
};

// Words in lower case.
MeteorCounts meteor_counts(const std::vector<std::string>& text, const std::vector<std::string>& reference);

}  // namespace lowland
