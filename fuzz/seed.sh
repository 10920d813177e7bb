#!/bin/sh
# Seeds the corpora from the golden samples and, where it is there, the shared data.
cd "$(dirname "$0")" || exit 1
data=${VOXELRY_DATA:-../../shared/data}
take() { # target, endings
    target=$1
    shift
    mkdir -p "corpus/$target"
    for ending in "$@"; do
        find ../tests/golden "$data" -type f -size -40k -name "*.$ending" 2>/dev/null | while read -r file; do
            cp "$file" "corpus/$target/$(echo "$file" | cksum | cut -d' ' -f1).$ending"
        done
    done
    chmod -R u+w "corpus/$target"
}
take nifti nii
take nifti_gz nii
cp "$data"/nifti_rs/resources/fuzz_artifacts/* corpus/nifti/ 2>/dev/null
cp "$data"/nifti_rs/resources/fuzz_artifacts/* corpus/nifti_gz/ 2>/dev/null
chmod -R u+w corpus
take nrrd nrrd nhdr
take metaimage mha mhd
take npy npy
