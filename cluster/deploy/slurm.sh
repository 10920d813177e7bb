#!/bin/bash
#SBATCH --job-name=voxelry
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
# A pool for the time of one Slurm job: a coordinator on the first node, a worker on each.
#   sbatch --export=ALL,VOXELRY_POOL_TOKEN=…,SHARED=/scratch/me/pool,ROOT=/data/me slurm.sh
# Then, from a node that reaches the first one:
#   VOXELRY_POOL_TOKEN=… voxelry run --pool http://FIRST:8750 -r bone /data/me/scan.ome.zarr --out /data/me/results
set -euo pipefail
: "${VOXELRY_POOL_TOKEN:?a token of at least 16 characters}" "${SHARED:?a folder that all nodes see}" "${ROOT:?a folder that jobs may use}"
address() { getent ahostsv4 "$(hostname)" | awk '{ print $1; exit }'; }
FIRST=$(address)
echo "the pool is at http://$FIRST:8750"
voxelry-pool coordinator --host "$FIRST" --shared "$SHARED" --root "$ROOT" &
until (: > "/dev/tcp/$FIRST/8750") 2>/dev/null; do sleep 0.5; done
srun --kill-on-bad-exit=0 bash -c '
  host=$(getent ahostsv4 "$(hostname)" | awk "{ print \$1; exit }")
  exec voxelry-pool worker --join "http://'"$FIRST"':8750" --host "$host" --cores "$SLURM_CPUS_PER_TASK"'
