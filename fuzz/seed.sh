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
take tiff tif tiff btf
take hdf5 h5 nxs ims mat
mkdir -p corpus/zarr
# A Zarr image as one file: see check_zarr in src/lib.rs.
find "$data" -type f \( -name zarr.json -o -name .zarray \) -path "*/0/*" 2>/dev/null | while read -r array; do
    level=$(dirname "$array")
    case $array in
    *.zarray) group=$(dirname "$level")/.zattrs version=0 ;;
    *) group=$(dirname "$level")/zarr.json version=1 ;;
    esac
    chunk=$(find "$level" -type f -size -60k ! -name "*.json" ! -name ".z*" | sort | head -n 1)
    if [ -f "$group" ]; then
        for axes in 0 1 2; do
            {
                printf "\\$(printf %03o $((version + 2 * axes)))"
                cat "$group"
                printf '\0\0'
                cat "$array"
                printf '\0\0'
                [ -z "$chunk" ] || cat "$chunk"
            } >"corpus/zarr/$(echo "$array" | cksum | cut -d' ' -f1).$axes"
        done
    fi
done
mkdir -p corpus/labels corpus/forest
# Records of a log: see check_labels in src/lib.rs. A head for 40 × 33 × 70 voxels, then an edit without chunks.
printf '\0\003\050\041\106\002\004\001a\0\0\003\0\004\0\005\0' > corpus/labels/small
