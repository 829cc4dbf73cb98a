/** Features are constants only while what computes them is frozen. */
import { PrepError } from '../../schemas/errors.ts';
import type { Mixture } from '../../schemas/mixture.ts';

/**
 * @param mixture as the plan has it; @param depends on the language model or on the vision tower alone
 * @throws PrepError `bad-option` where the plan says that this part of the model is trained
 */
export function refuseTrained(mixture: object, depends: 'language' | 'vision', name: string): void {
  const { trainsVlm = true, trainsVision = trainsVlm } = mixture as Partial<Mixture>;
  const trained = depends === 'language' ? trainsVlm || trainsVision : trainsVision;
  if (!trained) return;
  const key = depends === 'language' ? 'trains_vlm' : 'trains_vision';
  throw new PrepError({
    code: 'bad-option',
    at: { field: name },
    expected: `a plan whose ${depends === 'language' ? 'vision-language model' : 'vision tower'} is frozen`,
    found: `one that trains it ("${key}": true in its mixture)`,
    remedy:
      depends === 'language'
        ? 'features of its layers would be those of another model after the first step: compute them online, or plan with the preset apt-stage1'
        : `"${key}": false in the mixture file where it stays frozen`,
  });
}
