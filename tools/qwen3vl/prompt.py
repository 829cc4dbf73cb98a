"""The constant prompt around the images, and the three-axis rotary positions of every token.

Layout: prefix, then per view vision_start, 64 x image, vision_end. What a trainer appends comes after; attention is causal, so it changes no image token."""
from dataclasses import dataclass, field

SIDE = 256
POSITION_RULE = (
    "text advances temporal, height and width together by 1 per token; the image tokens of a view that starts at position p have t = p, h = p + row, w = p + column of the "
    "{side} x {side} grid (raster order); the next text token is at p + {side}. Tokens appended after the images continue at the last vision_end's position + 1."
)


@dataclass(frozen=True)
class Prompt:
    prefix_ids: tuple
    special_ids: dict = field(hash=False)
    grid: int = 8  # merged tokens per side

    @property
    def tokens(self):
        return self.grid * self.grid

    def ids(self, views):
        s = self.special_ids
        block = [s["vision_start"], *[s["image"]] * self.tokens, s["vision_end"]]
        return [*self.prefix_ids, *block * views]

    def spans(self, views):
        """(first, end) of each view's image tokens, end exclusive."""
        first = [len(self.prefix_ids) + v * (self.tokens + 2) + 1 for v in range(views)]
        return [(a, a + self.tokens) for a in first]

    def positions(self, views):
        """3 lists (temporal, height, width) as long as `ids`."""
        t, h, w = [], [], []
        at, image = 0, self.special_ids["image"]
        ids = self.ids(views)
        i = 0
        while i < len(ids):
            if ids[i] != image:
                for axis in (t, h, w):
                    axis.append(at)
                at, i = at + 1, i + 1
                continue
            for token in range(self.tokens):
                t.append(at)
                h.append(at + token // self.grid)
                w.append(at + token % self.grid)
            at, i = at + self.grid, i + self.tokens
        return [t, h, w]

    def described(self, signatures):
        """The `prompt` of model.json; positions of the last tokens inclusive."""
        per = {
            "+".join(s): {"ids": self.ids(len(s)), "imageTokenPositions": [[a, b - 1] for a, b in self.spans(len(s))], "mropePositions": self.positions(len(s))}
            for s in signatures
        }
        return {"prefixIds": list(self.prefix_ids), "specialIds": self.special_ids, "signatures": per, "positionRule": POSITION_RULE.format(side=self.grid)}
