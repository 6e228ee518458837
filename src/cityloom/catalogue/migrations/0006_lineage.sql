-- Lineage is walked step by step; a field counts as its dataset.
CREATE INDEX lineage_up ON catalogue.lineage (split_part(target, '.', 1)) WHERE kind IN ('references', 'derives', 'fed_by');
CREATE INDEX lineage_down ON catalogue.lineage (split_part(source, '.', 1)) WHERE kind IN ('references', 'derives', 'fed_by');
